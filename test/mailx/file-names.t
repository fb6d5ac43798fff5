names of files: variables of the environment, & and MBOX that names itself
== mailbox
a
b
c
d
== rc
set MBOX=& folder=$HOME/Mail
== file Mail/old
o
== session -N
"{HOME}/spool/lee": 4 messages 4 new
& s 1 $HOME/one
"$HOME/one" [New file] 10/207
& s 2 ${HOME}/two
"${HOME}/two" [New file] 10/207
& s 3 +old
"+old" [Appended] 10/207
& s 4 {HOME}/$NOSUCH/x
! {HOME}/$NOSUCH: no such folder
& hold 4
& p 4
Message 4:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-d
Message-ID: <d@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
text of d
& q
3 saved, 1 stays
== end
exit 0
file one: a
file two: b
file Mail/old: o c
spool: d
