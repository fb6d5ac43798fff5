undo takes back one change after the other, and leaves what was read read
== mailbox
a
b
c
d
== session -N
"{HOME}/spool/lee": 4 messages 4 new
& d 1-2
& p 3
Message 3:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-c
Message-ID: <c@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of c
& hold 4
& undo list
2  d 1-2
1  hold 4
& undo
undone: hold 4
& undo
undone: d 1-2
& undo
! Nothing to undo
& f *
 N   1 Ann Sender         Mon Mar  2 *     7/149  subject-a
 N   2 Ann Sender         Mon Mar  2 *     7/149  subject-b
     3 Ann Sender         Mon Mar  2 *     7/149  subject-c
>N   4 Ann Sender         Mon Mar  2 *     7/149  subject-d
& q
1 read -> ~/mbox, 3 stay
== end
exit 0
spool: a b d
mbox: c
status spool a O
