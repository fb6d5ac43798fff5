undo_keep says how long what left can be brought back
== mailbox
a
b
c
== file other
o
== session -N
"{HOME}/spool/lee": 3 messages 3 new
& set undo_keep=forever
! set: undo_keep is a time like 7d, 12h or 0, not "forever"
& set undo_keep=0
& d 1
& file {HOME}/other
1 deleted, 2 stay
"{HOME}/other": 1 message 1 new
& recover
! Nothing is kept that could be brought back
& set undo_keep=2w
& file %
"{HOME}/spool/lee": 2 messages 2 unread
& d 1
& file #
1 deleted, 1 stays
"{HOME}/other": 1 message 1 unread
& recover
  1  *  1 deleted  {HOME}/spool/lee
& recover 1
1 message brought back to "{HOME}/spool/lee"
& x
== end
exit 0
spool: c b
