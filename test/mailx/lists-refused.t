a list that is refused does nothing at all, and says which term it was
== mailbox
a
b
c
== session -N
"{HOME}/spool/lee": 3 messages 3 new
& d 1 9
! 9: no such message, there are 1 to 3
& d 3-1
! "3-1": the range runs backwards, nothing done
& d 0
! 0: no such message, there are 1 to 3
& d 1 :x
! ":x": types are :n new, :o old, :r read, :u unread, :d deleted, :f flagged, :a answered
& d zebedee
! No applicable messages: zebedee
& d 2-
! "2-" is no message list; write 3, 2-5, ., ^, $, +, -, *, :u, /text or a name
& s 7 {HOME}/kept
! 7: no such message, there are 1 to 3
& p *x
! "*x" is no message list; write 3, 2-5, ., ^, $, +, -, *, :u, /text or a name
& frobnicate 1
! Unknown command: "frobnicate" (? lists the commands)
& h 12
! 12: no such message, there are 1 to 3
& x
== end
exit 0
spool: a b c
file kept: missing
