with -R nothing is changed, and what has no effect says so
== mailbox
a
b
== session -R -N
"{HOME}/spool/lee": 2 messages 2 new [Read only: it was opened read-only]
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of a
& d 2
! read-only mailbox, this will have no effect at the end: it was opened read-only
& s 1 {HOME}/kept
! read-only mailbox, this will have no effect at the end: it was opened read-only
"{HOME}/kept" [New file] 10/207
& q
! "{HOME}/spool/lee" is read-only: nothing was deleted or moved
== end
exit 1
spool: a b
file kept: a
mbox: missing
