save, copy, write and their kin tell what they did
== mailbox
a from="Lee Wong <lee@corp.example>"
b from="../../etc/cron.d/x@evil.example"
c
d
== session -N
"{HOME}/spool/lee": 4 messages 4 new
& s 1 {HOME}/kept
"{HOME}/kept" [New file] 10/206
& s 2 {HOME}/kept
"{HOME}/kept" [Appended] 10/210
& c 3 {HOME}/copied
"{HOME}/copied" [New file] 10/207
& w 4 {HOME}/body
"{HOME}/body" [New file] 1/10
& s 1 {HOME}/no/such/kept
! {HOME}/no/such: no such folder
& s 1 {HOME}
! {HOME}: is a folder, and no Maildir
& s 1 +work
! +work: "folder" is not set (set folder=Mail)
& h
>*   1 Lee Wong           Mon Mar  2 *     7/148  subject-a
 *   2 ../../etc/cron.d/… Mon Mar  2 *     7/152  subject-b
     3 Ann Sender         Mon Mar  2 *     7/149  subject-c
 *   4 Ann Sender         Mon Mar  2 *     7/149  subject-d
& q
3 saved, 1 read -> ~/mbox, 0 stay
== end
exit 0
file kept: a b
file copied: c
spool: missing
mbox: c
status copied c RO
status kept a O
text body has text of d
