with set json headers come as objects
== mailbox
a status=RO
b subject="=?UTF-8?B?5Lya6K6u57qq6KaB?=" from="\e[2J <b@x.example>"
== session -N
"{HOME}/spool/lee": 2 messages 1 new
& set json
& f 1
{"number":1,"uid":1,"status":"read","flags":[],"from":[{"name":"Ann Sender","address":"ann@example.org"}],"to":[{"name":"","address":"lee@example.org"}],"cc":[],"sender":[],"replyTo":[],"subject":"subject-a","date":1772452800,"messageId":"<a@x.example>","size":160,"lines":8}
& search is:new
{"number":2,"uid":2,"status":"new","flags":[],"from":[{"name":"\u001b[2J","address":"b@x.example"}],"to":[{"name":"","address":"lee@example.org"}],"cc":[],"sender":[],"replyTo":[],"subject":"会议纪要","date":1772452800,"messageId":"<b@x.example>","size":158,"lines":7}
& unset json
& f 1
>    1 Ann Sender         Mon Mar  2 *     8/160  subject-a
& x
== end
exit 0
