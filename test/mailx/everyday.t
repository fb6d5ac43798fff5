reading, deleting and quitting: the everyday session
== mailbox
a status=RO
b status=O
c subject="=?UTF-8?B?5Lya6K6u57qq6KaB?="
d from=bob@example.net
e
== session
"{HOME}/spool/lee": 5 messages 3 new 1 unread
     1 Ann Sender         Mon Mar  2 *     8/160  subject-a
 U   2 Ann Sender         Mon Mar  2 *     8/159  subject-b
>N   3 Ann Sender         Mon Mar  2 *     7/168  会议纪要
 N   4 bob@example.net    Mon Mar  2 *     7/136  subject-d
 N   5 Ann Sender         Mon Mar  2 *     7/149  subject-e
&
Message 3:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: 会议纪要
Message-ID: <c@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of c
& n
Message 4:
From: bob@example.net
To: lee@example.org
Subject: subject-d
Message-ID: <d@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of d
& d
& dp 4
! No applicable messages: 4 is deleted (u 4 brings it back)
& u
& =
4
& h
     1 Ann Sender         Mon Mar  2 *     8/160  subject-a
 U   2 Ann Sender         Mon Mar  2 *     8/159  subject-b
     3 Ann Sender         Mon Mar  2 *     7/168  会议纪要
>    4 bob@example.net    Mon Mar  2 *     7/136  subject-d
 N   5 Ann Sender         Mon Mar  2 *     7/149  subject-e
& q
2 read -> ~/mbox, 3 stay
== end
exit 0
