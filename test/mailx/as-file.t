with -f nothing is moved to mbox
== mailbox
a
b
c status=RO
== session -f -N
"{HOME}/box": 3 messages 2 new
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of a
& mbox 2
& touch 3
& q
== end
exit 0
file box: a b c
mbox: missing
status box a RO
status box b O
