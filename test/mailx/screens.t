h and z show one screen after the other; deleted messages leave no gap
== mailbox
a
b
c
d
e
f
== rc
set screen=2
== session
"{HOME}/spool/lee": 6 messages 6 new
>N   1 Ann Sender         Mon Mar  2 *     7/149  subject-a
 N   2 Ann Sender         Mon Mar  2 *     7/149  subject-b
& d 1 4
& h
>N   5 Ann Sender         Mon Mar  2 *     7/149  subject-e
 N   6 Ann Sender         Mon Mar  2 *     7/149  subject-f
& z
! On last screenful of messages
& z
! On last screenful of messages
& z-
>N   2 Ann Sender         Mon Mar  2 *     7/149  subject-b
 N   3 Ann Sender         Mon Mar  2 *     7/149  subject-c
& h 5
>N   5 Ann Sender         Mon Mar  2 *     7/149  subject-e
 N   6 Ann Sender         Mon Mar  2 *     7/149  subject-f
& z 2
! On last screenful of messages
& z - 2
>N   2 Ann Sender         Mon Mar  2 *     7/149  subject-b
 N   3 Ann Sender         Mon Mar  2 *     7/149  subject-c
& z -
! On first screenful of messages
& z +
>N   5 Ann Sender         Mon Mar  2 *     7/149  subject-e
 N   6 Ann Sender         Mon Mar  2 *     7/149  subject-f
& z +x
! z: "+x" is not a number of steps
& h *
>N   2 Ann Sender         Mon Mar  2 *     7/149  subject-b
 N   3 Ann Sender         Mon Mar  2 *     7/149  subject-c
& x
== end
exit 0
