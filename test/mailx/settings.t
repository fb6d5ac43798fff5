settings, aliases and conditions of a startup file and of a session
== rc
set hold folder=Mail indentprefix="> "
if s
set record=wrong
else
alias team bob carol
endif
hold 1
frobnicate
set screen=x
retain from subject
== mailbox
a
== session -N
! {HOME}/.mailrc:7: "hold" is not allowed in a startup file
! {HOME}/.mailrc:8: Unknown command: "frobnicate" (? lists the commands)
! {HOME}/.mailrc:9: set: screen is a number of lines, not "x"
"{HOME}/spool/lee": 1 message 1 new
& set
escape=~
folder=Mail
hold
indentprefix="> "
prompt="& "
save
toplines=5
& alias
alias team bob carol
& alias team dan
& alias team
alias team bob carol dan
& alias few dan, eve@x.example,fay
& alias few
alias few dan eve@x.example fay
& unalias few
& alias nobody
! "nobody": no such alias
& unalias team
& alias
& alternates lee@home.example
& alternates
lee@home.example
& retain
from
subject
& if t
& set wrong
& else
& set right
& endif
& endif
! "endif" without "if"
& echo "a  b" c
a  b c
& unset hold folder
& set
escape=~
indentprefix="> "
prompt="& "
right
save
toplines=5
& p
Message 1:
From: Ann Sender <ann@example.org>
Subject: subject-a
text of a
& source {HOME}/nosuch
! {HOME}/nosuch: No such file or directory
& q
1 read -> ~/mbox, 0 stay
== end
exit 0
mbox: a
