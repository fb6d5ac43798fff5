search finds in headers and text
== mailbox
a from="Lee <lee@x.example>" subject="Plan" body="See the attachment."
b from=bob@x.example subject="=?UTF-8?B?5Lya6K6u57qq6KaB?=" status=RO
c from=lee@y.example subject="Re: Plan" header="Cc: carol@x.example"
== session -N
"{HOME}/spool/lee": 3 messages 2 new
& search from:lee subject:plan
>N   1 Lee                Mon Mar  2 *     7/145  Plan
 N   3 lee@y.example      Mon Mar  2 *     8/153  Re: Plan
& search 会议
     2 bob@x.example      Mon Mar  2 *     8/164  会议纪要
& search attachment
>N   1 Lee                Mon Mar  2 *     7/145  Plan
& search is:read
     2 bob@x.example      Mon Mar  2 *     8/164  会议纪要
& search -from:lee
     2 bob@x.example      Mon Mar  2 *     8/164  会议纪要
& search cc:carol
 N   3 lee@y.example      Mon Mar  2 *     8/153  Re: Plan
& search after:2026-03-02 before:2026-03-03 has:attachment
! No message matches: after:2026-03-02 before:2026-03-03 has:attachment
& search after:never
! "never" is no date; write it as 2026-03-01
& search is:funny
! is:funny is unknown; there is new, unread, read, flagged, answered, deleted
& x
== end
exit 0
