from mailbox to mailbox: the first is left as by q
== mailbox
a
b
c
== file Mail/work
w1 status=RO
w2
== rc
set folder=Mail
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
& file +nosuch
! {HOME}/Mail/nosuch: No such file or directory
& file +work
1 deleted, 1 read -> ~/mbox, 1 stays
"{HOME}/Mail/work": 2 messages 1 new
& d 1
& file
"{HOME}/Mail/work": 2 messages 1 new 1 deleted
& file &
1 deleted, 1 stays
"{HOME}/mbox": 1 message
& #
& file #
"{HOME}/Mail/work": 1 message 1 unread
& folders
work
& file %
"{HOME}/spool/lee": 1 message 1 unread
& file %nobody-here
! No mail for nobody-here
& x
== end
exit 0
spool: c
mbox: a
file Mail/work: w2
