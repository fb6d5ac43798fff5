an mbox whose name leads nowhere keeps nobody from deleting
== mailbox
a
b
c
== rc
set MBOX=+read
== session -N
"{HOME}/spool/lee": 3 messages 3 new
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of a
& d 2
& q
! cannot write mbox MBOX: +read: "folder" is not set (set folder=Mail); 1 message kept in the mailbox
1 deleted, 2 stay
== end
exit 1
spool: a c
status spool a RO
