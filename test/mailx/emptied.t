leaving makes mbox, or empties what is opened again
== mailbox
a
b
== session -N
"{HOME}/spool/lee": 2 messages 2 new
& file &
! {HOME}/mbox: No such file or directory
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of a
& file &
1 read -> ~/mbox, 1 stays
"{HOME}/mbox": 1 message
& file %
"{HOME}/spool/lee": 1 message 1 unread
& d *
& file %
1 deleted, 0 stay
! No mail for lee
"{HOME}/spool/lee": 0 messages
& p 1
! 1: there are no messages
& inc
No new mail
& file &
"{HOME}/mbox": 1 message
& q
== end
exit 0
mbox: a
spool: missing
