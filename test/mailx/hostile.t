control characters of a message are shown, not sent to the terminal
== mailbox
a from="Evil \e]0;owned\e\\ <e@x.example>" subject="a=?UTF-8?Q?Pay=0Aout=1B[2J?=b" body="clear \e[2J me"
== session
"{HOME}/spool/lee": 1 message 1 new
>N   1 Evil \x1b]0        Mon Mar  2 *     7/176  aPay\nout\x1b[2Jb
& p
Message 1:
From: Evil \x1b]0;owned\x1b\\ <e@x.example>
To: lee@example.org
Subject: aPay\nout\x1b[2Jb
Message-ID: <a@x.example>
Date: Mon, 02 Mar 2026 12:00:00 +0000
clear \x1b[2J me
& x
== end
exit 0
