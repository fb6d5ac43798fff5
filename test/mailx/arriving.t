mail that comes meanwhile is kept as it came, or taken in by inc
== mailbox
a
b
== arriving
n1
n2
== session -N
"{HOME}/spool/lee": 2 messages 2 new
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of a
& inc
No new mail
& @deliver n1
& inc
New mail has arrived.
& d 2
& @deliver n2
& q
1 deleted, 1 read -> ~/mbox, 1 stays, 1 new kept
== end
exit 0
spool: n1 n2
mbox: a
status spool n1 O
status spool n2 none
