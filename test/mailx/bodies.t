write appends bodies behind an empty line, to mbox where no file is named
== mailbox
a body="From here on\nit is text"
b
c
== text ends
no line end
== text one
a line
== session -N
"{HOME}/spool/lee": 3 messages 3 new
& w 2 {HOME}/one
"{HOME}/one" [Appended] 1/10
& w 3 {HOME}/one
"{HOME}/one" [Appended] 1/10
& p 1
Message 1:
From: Ann Sender <ann@example.org>
To: lee@example.org
Subject: subject-a
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
From here on
it is text
& w
"{HOME}/mbox" [New file] 2/25
& w 2 /dev/null
"/dev/null" [Appended] 1/10
& q
3 saved, 0 stay
== end
exit 0
text one has a line\n\ntext of b\n\ntext of c
text mbox has >From here on
spool: missing
