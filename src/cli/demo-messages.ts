/**
 * The mail of the demo: made-up people at example domains, in many languages and shapes, so that every feature has
 * something to show. Ordered as it came.
 */
import { base64, type DemoMessage, encoded, multipart, word } from './demo-mail.ts';

const TEAM = 'lee@linux102.example.com, dongliang@linux102.example.com, dl@linux102.example.com';
const PLAIN = ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'];
const DONGLIANG = 'Dong Liang <dongliang@linux102.example.com>';
const DL = 'D. L. <dl@linux102.example.com>';
const ANNA = 'Anna Schröder <anna@garden.example.org>';

/** A PNG of 8 by 8 pixels, red. */
const RED_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR42mP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC',
  'base64',
);
const MINUTES = 'Minutes of Tuesday\r\n\r\n1. Backups: dl tests a restore every month.\r\n2. Mail: moves to tmail.\r\n';
const LONG_LINE = 'A very long line without any end: '.concat('lorem ipsum dolor sit amet, '.repeat(60));

const NEWSLETTER = `<html><head><style>p { color: #333 }</style><title>The Heron</title></head><body>
<h1>The Heron &mdash; news from the river</h1>
<p>Dear reader, the <b>otters</b> are back. Read <a href="https://heron.example.net/otters">the whole story</a>
or look at <a href="https://heron.example.net/pictures">the pictures</a>.</p>
<table><tr><th>Day</th><th>Water</th></tr><tr><td>Monday</td><td>142 cm</td></tr><tr><td>Tuesday</td><td>139 cm</td></tr></table>
<ul><li>Bridge closed until May</li><li>Boat race on Sunday</li></ul>
<img src="https://track.example.net/pixel.gif?reader=lee" width="1" height="1">
<p style="font-size:small">You get this because you asked for it. <a href="https://heron.example.net/leave">Leave</a>.</p>
</body></html>
`;

/** An invitation with CRLF line ends, RFC 5545. */
const INVITE = [
  'BEGIN:VCALENDAR',
  'PRODID:-//Example//Calendar//EN',
  'VERSION:2.0',
  'METHOD:REQUEST',
  'BEGIN:VEVENT',
  'UID:restore-test@linux102.example.com',
  'DTSTAMP:20260301T080000Z',
  'DTSTART:20260402T130000Z',
  'DTEND:20260402T140000Z',
  'SUMMARY:Restore test\\, second attempt',
  'LOCATION:Machine room',
  'ORGANIZER;CN=D. L.:mailto:dl@linux102.example.com',
  'ATTENDEE;CN=Lee;RSVP=TRUE:mailto:lee@linux102.example.com',
  'END:VEVENT',
  'END:VCALENDAR',
  '',
].join('\r\n');

const BOUNCE = multipart('==bounce', [
  {
    head: ['Content-Type: text/plain; charset=us-ascii'],
    body: [
      'The original message was received from localhost',
      '',
      '   ----- The following addresses had permanent fatal errors -----',
      '<nobody-here@garden.example.org>',
      '    (reason: 550 5.1.1 User unknown)',
    ].join('\n'),
  },
  {
    head: ['Content-Type: message/delivery-status'],
    body: [
      'Reporting-MTA: dns; linux102.example.com',
      '',
      'Final-Recipient: rfc822; nobody-here@garden.example.org',
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 User unknown',
    ].join('\n'),
  },
  {
    head: ['Content-Type: message/rfc822'],
    body: 'From: lee@linux102.example.com\nTo: nobody-here@garden.example.org\nSubject: Seeds\n\nDo you still have some?',
  },
]);

const LEE: readonly DemoMessage[] = [
  {
    from: 'root <root@linux102.example.com>',
    hours: 700,
    subject: 'Welcome to linux102',
    status: 'RO',
    body: 'Your account is ready. Mail arrives in /var/mail/lee.\nType ? for the commands, q to leave.\n',
  },
  {
    from: DONGLIANG,
    hours: 620,
    id: 'plan',
    to: TEAM,
    subject: 'Plan for the new mail host',
    status: 'RO',
    marks: 'A',
    body: 'I would like to move the mailboxes on Saturday.\nWho can be there at 9?\n\nDong Liang\n',
  },
  {
    from: DL,
    hours: 618,
    id: 'plan2',
    inReplyTo: 'plan',
    to: TEAM,
    subject: 'Re: Plan for the new mail host',
    status: 'RO',
    body: '> I would like to move the mailboxes on Saturday.\n> Who can be there at 9?\n\nI can. Bring coffee.\n',
  },
  {
    from: 'Lee <lee@linux102.example.com>',
    hours: 617,
    id: 'plan3',
    inReplyTo: 'plan2',
    to: TEAM,
    subject: 'Re: Plan for the new mail host',
    status: 'RO',
    body: '>> I would like to move the mailboxes on Saturday.\n>> Who can be there at 9?\n> \n> I can. Bring coffee.\n\nSo can I.\n',
  },
  {
    from: `${word('utf-8', '董亮')} <dongliang@linux102.example.com>`,
    hours: 540,
    subject: word('utf-8', '测试:中文邮件'),
    status: 'RO',
    mime: PLAIN,
    body: '你好,李!\n\n这是一封测试邮件。看到汉字就说明一切正常。\n\n董亮\n',
  },
  {
    from: 'Chen Wei <chenwei@school.example.cn>',
    hours: 480,
    subject: encoded('gb18030', '关于下周的会议(没有编码的标题)'),
    status: 'RO',
    mime: ['Content-Type: text/plain; charset=GB18030', 'Content-Transfer-Encoding: 8bit'],
    body: encoded('gb18030', '各位同事:\n\n下周三下午两点开会,地点在图书馆。\n这封信的标题没有声明字符集。\n'),
  },
  {
    from: `${word('big5', '林小姐')} <lin@tea.example.tw>`,
    hours: 470,
    subject: word('big5', '茶葉目錄'),
    status: 'O',
    mime: ['Content-Type: text/plain; charset=Big5', 'Content-Transfer-Encoding: 8bit'],
    body: encoded('big5', '您好,\n\n新的茶葉目錄已經寄出,請查收。\n'),
  },
  {
    from: `${word('iso-2022-jp', '山田花子')} <hanako@example.jp>`,
    hours: 450,
    subject: word('iso-2022-jp', '会議の資料について'),
    status: 'RO',
    mime: ['Content-Type: text/plain; charset=ISO-2022-JP', 'Content-Transfer-Encoding: 7bit'],
    body: encoded('iso-2022-jp', 'お世話になっております。\n\n資料を添付せずにお送りしました。明日また送ります。\n'),
  },
  {
    from: `${word('utf-8', '김민수')} <minsu@example.kr>`,
    hours: 430,
    subject: word('utf-8', '안녕하세요, 리 씨'),
    status: 'O',
    mime: PLAIN,
    body: '안녕하세요.\n\n다음 주에 서울에서 만나요.\n',
  },
  {
    from: 'Ольга Иванова <olga@example.ru>',
    hours: 400,
    subject: encoded('koi8-r', 'Письмо в старой кодировке'),
    status: 'RO',
    mime: ['Content-Type: text/plain; charset=koi8-r', 'Content-Transfer-Encoding: 8bit'],
    body: encoded('koi8-r', 'Здравствуйте!\n\nЭто письмо написано в KOI8-R, заголовок тоже.\n'),
  },
  {
    from: ANNA.replace('Schröder', '=?iso-8859-1?Q?Schr=F6der?='),
    hours: 380,
    id: 'seeds',
    subject: '=?iso-8859-1?Q?Gr=FC=DFe_aus_dem_Garten?=',
    status: 'RO',
    marks: 'F',
    mime: ['Content-Type: text/plain; charset=iso-8859-1', 'Content-Transfer-Encoding: quoted-printable'],
    body: 'Liebe Lee,\n\ndie T=FCrkischen Tomaten sind schon =FCber einen Meter hoch. Schick mir doch =\nbitte die Liste der Samen.\n\nViele Gr=FC=DFe\nAnna\n',
  },
  {
    from: `${word('utf-8', 'نورة')} <noura@example.com>`,
    hours: 360,
    subject: word('utf-8', 'مرحبا من الإسكندرية'),
    status: 'O',
    mime: PLAIN,
    body: 'مرحبا لي،\n\nوصلت الرسالة. شكرا جزيلا!\n',
  },
  {
    from: `${word('utf-8', 'דוד')} <david@example.com>`,
    hours: 350,
    subject: word('utf-8', 'שלום, הקובץ מצורף'),
    status: 'O',
    mime: ['Content-Type: multipart/mixed; boundary="==he"'],
    body: multipart('==he', [
      { head: PLAIN, body: 'הקובץ מצורף להודעה.' },
      {
        head: [
          'Content-Type: application/pdf',
          "Content-Disposition: attachment; filename*=utf-8''%D7%A7%D7%95%D7%91%D7%A5.pdf",
          'Content-Transfer-Encoding: base64',
        ],
        body: base64('%PDF-1.4\n% made up, holds nothing\n%%EOF\n'),
      },
    ]),
  },
  {
    from: 'The Heron <news@heron.example.net>',
    hours: 330,
    subject: 'The otters are back',
    status: 'O',
    headers: ['List-Unsubscribe: <https://heron.example.net/leave>', 'Precedence: bulk'],
    mime: ['Content-Type: text/html; charset=utf-8', 'Content-Transfer-Encoding: 8bit'],
    body: NEWSLETTER,
  },
  {
    from: 'Paul <paul@books.example.com>',
    hours: 300,
    subject: 'A letter in flowing paragraphs',
    status: 'RO',
    mime: ['Content-Type: text/plain; charset=us-ascii; format=flowed'],
    body: [
      'Dear Lee, ',
      '',
      'this paragraph was written on a narrow screen, and yet it fills a wide ',
      'one, since every line that ends in a blank goes on in the next. That is ',
      'format=flowed, RFC 3676.',
      '',
      '> Quoted lines flow as well, ',
      '> however many there are.',
      '',
      '-- ',
      'Paul',
      '',
    ].join('\n'),
  },
  {
    from: DL,
    hours: 290,
    to: TEAM,
    subject: 'Minutes and a picture',
    status: 'RO',
    mime: ['Content-Type: multipart/mixed; boundary="==minutes"'],
    body: multipart('==minutes', [
      { head: PLAIN, body: 'Both attached. The picture is the new label of the tape, red as you wanted.' },
      {
        head: [
          'Content-Type: text/plain; charset=us-ascii; name="minutes.txt"',
          'Content-Disposition: attachment; filename="minutes.txt"',
          'Content-Transfer-Encoding: base64',
        ],
        body: base64(MINUTES),
      },
      {
        head: [
          'Content-Type: image/png; name="label.png"',
          'Content-Disposition: attachment; filename="label.png"',
          'Content-Transfer-Encoding: base64',
        ],
        body: base64(RED_PNG),
      },
    ]),
  },
  {
    from: DL,
    hours: 280,
    subject: 'Invitation: Restore test, second attempt',
    status: 'O',
    mime: ['Content-Type: multipart/alternative; boundary="==invite"'],
    body: multipart('==invite', [
      { head: PLAIN, body: 'Restore test, second attempt. Thursday 13:00 UTC, machine room.' },
      { head: ['Content-Type: text/calendar; charset=utf-8; method=REQUEST'], body: INVITE },
    ]),
  },
  {
    from: 'Mail Delivery Subsystem <MAILER-DAEMON@linux102.example.com>',
    hours: 250,
    subject: 'Returned mail: see transcript for details',
    status: 'RO',
    headers: ['Auto-Submitted: auto-replied'],
    mime: ['Content-Type: multipart/report; report-type=delivery-status; boundary="==bounce"'],
    body: BOUNCE,
  },
  {
    from: 'root (Cron Daemon) <root@linux102.example.com>',
    hours: 220,
    subject: 'Cron <root@linux102> /usr/local/sbin/backup --nightly',
    status: 'RO',
    headers: ['X-Cron-Env: <SHELL=/bin/sh>', 'Auto-Submitted: auto-generated'],
    body: 'backup: 41 files changed, 1.2 GB in 184 s\nbackup: tape 3 is 92% full\n',
  },
  {
    from: 'Prize Office <winner@casino.example.biz>',
    hours: 200,
    subject: 'You won\u001b]0;owned\u0007 a \u001b[31mprize\u001b[0m\u202egpj.exe',
    status: 'O',
    body: 'A message that tries to drive your terminal:\n\u001b[2J\u001b[Hcleared? \u001b]52;c;ZWNobyBvd25lZA==\u0007 title? \u009b5m blink?\nIt must stay text.\n',
  },
  {
    from: 'Pay Roll <pay@bank.example.biz>',
    hours: 199,
    subject: '=?utf-8?Q?Invoice=0AStatus:_RO=1B[2J?=',
    status: 'O',
    mime: ['Content-Type: multipart/mixed; boundary="==trick"'],
    body: multipart('==trick', [
      { head: PLAIN, body: 'The name of the attachment climbs out of the folder. It must not.' },
      {
        head: [
          'Content-Type: application/octet-stream',
          'Content-Disposition: attachment; filename="../../../.profile"',
          'Content-Transfer-Encoding: base64',
        ],
        body: base64('echo no\n'),
      },
    ]),
  },
  {
    from: 'Log Robot <logs@metrics.example.com>',
    hours: 180,
    subject: 'Long lines',
    status: 'RO',
    body: `${LONG_LINE}\n\nThe end.\n`,
  },
  {
    from: ANNA.replace('Schröder', '=?utf-8?Q?Schr=C3=B6der?='),
    hours: 160,
    id: 'seeds2',
    inReplyTo: 'seeds',
    subject: '=?utf-8?Q?Re:_Gr=C3=BC=C3=9Fe_aus_dem_Garten?=',
    status: 'O',
    mime: ['Content-Type: multipart/alternative; boundary="==alt"'],
    body: multipart('==alt', [
      { head: PLAIN, body: 'Die Liste ist angekommen, danke! 🍅🌱\n\nAnna' },
      {
        head: ['Content-Type: text/html; charset=utf-8'],
        body: '<p>Die Liste ist angekommen, <i>danke</i>! 🍅🌱</p><p>Anna</p>',
      },
    ]),
  },
  {
    from: 'git@forge.example.org',
    hours: 140,
    subject: '[tmail] [PATCH] Keep what arrives while a session is open',
    status: 'RO',
    body: [
      '---',
      ' quit.txt | 2 +-',
      ' 1 file changed, 1 insertion(+), 1 deletion(-)',
      '',
      '-From now on new mail is lost.',
      '+From now on new mail is kept.',
      '',
      '>From here on the text is quoted as old programs do it.',
      '',
    ].join('\n'),
  },
  {
    from: 'Sandeep Kaur <sandeep@example.in>',
    hours: 120,
    subject: word('utf-8', 'नमस्ते और 👩‍👩‍👧‍👦 परिवार'),
    status: 'O',
    mime: PLAIN,
    body: 'नमस्ते ली,\n\nसब ठीक है। 👩‍👩‍👧‍👦\n',
  },
  {
    from: '"Nguyễn, Thị Lan" <lan@example.vn>',
    hours: 110,
    cc: 'Team: dl@linux102.example.com, dongliang@linux102.example.com;',
    subject: word('utf-8', 'Xin chào từ Hà Nội'),
    status: 'O',
    mime: PLAIN,
    body: 'Chào Lee,\n\nHẹn gặp lại ở Hà Nội vào tháng năm.\n',
  },
  {
    from: 'Κώστας <kostas@example.gr>',
    hours: 100,
    subject: encoded('iso-8859-7', 'Καλημέρα από την Αθήνα'),
    status: 'RO',
    mime: ['Content-Type: text/plain; charset=iso-8859-7', 'Content-Transfer-Encoding: 8bit'],
    body: encoded('iso-8859-7', 'Καλημέρα Λι,\n\nσε ευχαριστώ για το γράμμα.\n'),
  },
  {
    from: 'scanner@office.example.com',
    hours: 90,
    subject: 'Scan 0042',
    status: 'O',
    mime: ['Content-Type: application/zip; name="scan.zip"', 'Content-Transfer-Encoding: base64'],
    body: base64(Buffer.concat([Buffer.from('PK\x05\x06', 'latin1'), Buffer.alloc(18)])),
  },
  {
    from: DONGLIANG,
    hours: 80,
    subject: 'Fwd: Scan 0042',
    status: 'RO',
    mime: ['Content-Type: multipart/mixed; boundary="==fwd"'],
    body: multipart('==fwd', [
      { head: PLAIN, body: 'The scanner sent this to me as well.' },
      {
        head: ['Content-Type: message/rfc822'],
        body: 'From: scanner@office.example.com\nTo: dongliang@linux102.example.com\nSubject: Scan 0042\n\nSee the attachment. There is none.',
      },
    ]),
  },
  {
    from: 'someone@old.example.com',
    hours: 75,
    subject: '',
    status: 'O',
    body: 'No subject, no MIME, a date in its own way.\n',
    headers: ['X-Mailer: typed by hand'],
  },
  {
    from: DL,
    hours: 60,
    to: TEAM,
    id: 'disk',
    subject: 'Disk on linux102 fills up',
    status: 'RO',
    marks: 'AF',
    body: '/var is 91% full. Please empty your mailboxes, d10-50 and q work wonders.\n',
  },
  {
    from: DONGLIANG,
    hours: 58,
    inReplyTo: 'disk',
    to: TEAM,
    subject: 'Re: Disk on linux102 fills up',
    status: 'O',
    body: '> Please empty your mailboxes\n\nDone, 3 GB less.\n',
  },
  ...[3, 2, 1].map(
    (day): DemoMessage => ({
      from: 'root (Cron Daemon) <root@linux102.example.com>',
      hours: day * 24 - 18.5,
      subject: `Cron <root@linux102> logwatch: ${day === 1 ? '2 failed logins' : 'nothing to report'}`,
      headers: ['Auto-Submitted: auto-generated'],
      body: day === 1 ? 'sshd: 2 failed logins for root from 192.0.2.77\n' : 'All quiet.\n',
    }),
  ),
  {
    from: DONGLIANG,
    hours: 5,
    id: 'lunch',
    subject: 'Lunch?',
    body: 'Noodles at twelve?\n\nDong Liang\n',
  },
  {
    from: `${word('utf-8', '董亮')} <dongliang@linux102.example.com>`,
    hours: 2,
    to: TEAM,
    subject: word('utf-8', '周末爬山 ⛰️ 谁来?'),
    mime: PLAIN,
    body: '周六早上七点在南门集合,自带午饭。\n\n要来的请回复(用 r 或 R 试试看有什么不同)。\n',
  },
  {
    from: 'Lost And Found <reception@office.example.com>',
    hours: 0.5,
    subject: 'Umbrella, blue, with ducks',
    body: 'Left in the lobby on Monday. Ask at the desk.\n',
  },
];

/** What stands in each user's system mailbox. */
export const SPOOLS: Readonly<Record<string, readonly DemoMessage[]>> = {
  lee: LEE,
  dongliang: [
    {
      from: 'Lee <lee@linux102.example.com>',
      hours: 30,
      subject: 'Backup tapes',
      status: 'O',
      body: 'Tape 3 is nearly full. Shall I order some?\n\nLee\n',
    },
    { from: DL, hours: 4, to: TEAM, subject: 'Kernel update tonight', body: 'linux102 restarts at 23:00.\n' },
  ],
  dl: [{ from: DONGLIANG, hours: 26, subject: 'Keys', body: 'The keys of the machine room are in the drawer.\n' }],
};

/** What lee has in ~/mbox. */
export const LEE_MBOX: readonly DemoMessage[] = [
  {
    from: ANNA.replace('Schröder', '=?utf-8?Q?Schr=C3=B6der?='),
    hours: 2000,
    subject: 'Spring',
    status: 'RO',
    mime: PLAIN,
    body: 'Der Frühling ist da.\n',
  },
  { from: DONGLIANG, hours: 1800, subject: 'First day', status: 'RO', body: 'Your desk is the one by the window.\n' },
];
