#!/usr/bin/env python3
"""Asks the real sendmail and writes its answers as sendmail-8.17.json (or elsewhere), which sendmail.test.ts compares with ours.

Nothing is installed and no mail moves: unpack the packages sendmail-bin, sendmail-cf, sendmail-base, m4 (and the libraries that
`ldd` misses) with `dpkg-deb -x` into a folder that is not writable by others on the way, then, as root:

    record-sendmail.py UNPACKED OUT.json [--seed N] [--configs N] [--questions N] [--rewriting N]

It runs `sendmail -bt` in a name space of its own (host name linux102.example.com, own /etc/hosts). By hand at 10,000
addresses: --configs 120 --questions 90, then SENDMAIL_ANSWERS=OUT.json npx vitest run test/rules/sendmail.test.ts
"""
import argparse
import json
import os
import random
import re
import subprocess
import tempfile

ARGS = argparse.ArgumentParser()
ARGS.add_argument('unpacked')
ARGS.add_argument('out')
ARGS.add_argument('--seed', type=int, default=21)
ARGS.add_argument('--configs', type=int, default=24)
ARGS.add_argument('--questions', type=int, default=45)
ARGS.add_argument('--rewriting', type=int, default=16)
args = ARGS.parse_args()
random.seed(args.seed)

ROOT = os.path.abspath(args.unpacked)
LIBS = ':'.join(f'{ROOT}{p}' for p in ('/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu'))
ENV = dict(os.environ, LD_LIBRARY_PATH=LIBS)
SENDMAIL = f'{ROOT}/usr/libexec/sendmail/sendmail'
MAKEMAP = f'{ROOT}/usr/libexec/sendmail/makemap'
# sendmail refuses maps below a folder that others may write to, such as /tmp.
WORK = tempfile.mkdtemp(prefix='record-', dir=os.path.dirname(ROOT))
HOST = 'linux102.example.com'

DOMAINS = ['a.test', 'b.a.test', 'c.b.a.test', 'd.test', 'virt.test', 'virt2.test', 'relayed.test', 'sub.relayed.test',
           HOST, 'example.com', 'far.org']
USERS = ['lee', 'root', 'ann', 'bob', 'lee+x', 'ann+', 'sales+news', 'Lee', 'info']
ADDRESSES = ['10.1.2.3', '10.1.9.9', '10.2.0.1', '192.168.0.7', '192.168.1.7', '203.0.113.5', '127.0.0.1']
ACTIONS = ['RELAY', 'OK', 'REJECT', 'DISCARD', 'ERROR:5.2.1:550 gone away', '550 no thanks', 'ERROR:4.7.1:450 later',
           'QUARANTINE:look']
VIRTUAL = ['lee', '%1', 'root', '%1@far.org', 'ann%3@far.org', '%1%3@d.test', 'bob+%2@far.org',
           'error:nouser No such user', 'error:5.7.0:550 go away', 'lee@virt2.test', 'ann@a.test']
ROUTES = ['smtp:mx.x.org', 'esmtp:[10.0.0.1]', 'relay:h.org', 'error:5.7.0:550 no route']


def pick(*choices):
    return random.choice(choices)()


def table(rows):
    return ''.join(f'{key}\t{value}\n' for key, value in rows.values())


def access():
    rows = {}
    for _ in range(random.randint(2, 14)):
        tag = random.choice(['', '', 'Connect:', 'From:', 'To:'])
        key = pick(lambda: random.choice(DOMAINS), lambda: random.choice(DOMAINS),
                   lambda: f'{random.choice(USERS)}@{random.choice(DOMAINS)}', lambda: f'{random.choice(USERS)}@',
                   lambda: random.choice(['10', '10.1', '10.1.2', '10.1.2.3', '192.168', '192.168.0', '203.0.113.5']))
        if key[0].isdigit() and tag in ('From:', 'To:'):
            tag = ''
        if '@' in key and tag == 'Connect:':
            tag = 'From:'
        rows[(tag + key).lower()] = (tag + key, random.choice(ACTIONS))
    return table(rows)


def virtual():
    rows = {}
    for _ in range(random.randint(1, 8)):
        key = pick(lambda: f"{random.choice(USERS)}@{random.choice(['virt.test', 'virt2.test', HOST, 'd.test'])}",
                   lambda: f"@{random.choice(['virt.test', 'virt2.test', 'd.test'])}",
                   lambda: f"{random.choice(['lee', 'sales', 'ann'])}{random.choice(['+*', '++'])}"
                           f"@{random.choice(['virt.test', 'virt2.test'])}",
                   lambda: f"{random.choice(['+*', '++'])}@virt.test")
        rows[key.lower()] = (key, random.choice(VIRTUAL))
    return table(rows)


def mailer():
    rows = {}
    for _ in range(random.randint(0, 4)):
        key = random.choice(['', '.']) + random.choice(DOMAINS[:4] + ['test', 'far.org'])
        rows[key] = (key, random.choice(ROUTES))
    return table(rows)


def address():
    user, domain, chance = random.choice(USERS), random.choice(DOMAINS), random.random()
    if chance < .6:
        return f'{user}@{domain}'
    if chance < .7:
        return user
    if chance < .78:
        return f'{user}%{random.choice(DOMAINS)}@{domain}'
    if chance < .84:
        return f'{random.choice(DOMAINS)}!{user}@{domain}'
    if chance < .88:
        return f'@{random.choice(DOMAINS)}:{user}@{domain}'
    if chance < .92:
        return f'{user}@[127.0.0.1]'
    if chance < .95:
        return f'{user}@[10.9.9.9]'
    if chance < .97:
        return f'{user}%{random.choice(DOMAINS)}'
    return f'{user}@{domain}.'


def write(name, text):
    with open(f'{WORK}/{name}', 'w') as file:
        file.write(text)


def configure(mc, maps):
    """Makes t.cf and the maps."""
    write('t.mc', mc)
    cf = f'{ROOT}/usr/share/sendmail/cf/'
    m4 = subprocess.run([f'{ROOT}/usr/bin/m4', f'-D_CF_DIR_={cf}', f'{cf}m4/cf.m4', f'{WORK}/t.mc'],
                        capture_output=True, text=True, check=False)
    write('t.cf', m4.stdout)
    for name in maps:
        with open(f'{WORK}/{name}') as text:
            subprocess.run([MAKEMAP, '-C', f'{WORK}/t.cf', 'hash', f'{WORK}/{name}'], stdin=text, env=ENV, check=True)


def ask(lines):
    write('hosts', f'127.0.0.1 localhost\n192.0.2.2 {HOST} linux102\n')
    script = (f'hostname {HOST}; mount --bind {WORK}/hosts /etc/hosts; '
              f'exec {SENDMAIL} -bt -C {WORK}/t.cf -O QueueDirectory={WORK}')
    run = subprocess.run(['unshare', '-um', 'bash', '-c', script], input='\n'.join(lines) + '\n', capture_output=True,
                         text=True, env=ENV, timeout=600, check=False)
    return run.stdout


def normal(answer, kind):
    """`550 5.7.1`, ok, discard, quarantine; for a route mailer, host and user."""
    if 'Mailbox disabled' in answer:
        return '550 5.2.1'
    if answer.startswith('$# error $@ quarantine'):
        return 'quarantine'
    if answer.startswith('$# discard'):
        return 'discard'
    error = re.match(r'\$# error (?:\$@ (.*?) )?\$: "?(?:(\d{3}) )?(.*?)"?$', answer)
    if error:
        status = (error[1] or '').replace(' ', '').replace('nouser', '5.1.1')
        code = error[2] or '550'
        return f'{code} {status or code[0] + ".0.0"}'
    if kind != 'route':
        return 'ok'
    triple = re.match(r'\$# (\w+) (?:\$@ (.*?) )?\$: (.*)$', answer)
    user = triple[3].replace(' ', '')
    if triple[1] == 'local':
        return 'local ' + re.sub('^@', '', user).lower()
    host = re.sub(r'\.$', '', (triple[2] or '').replace(' ', ''))
    return f'{triple[1]} {host} ' + re.sub(r'<@(.*?)\.?>', r'@\1', user).lower()


def decisions():
    tables = {'access': access(), 'virtusertable': virtual(), 'mailertable': mailer(),
              'relay-domains': random.choice(['', 'relayed.test\n', 'relayed.test\n10.2\n'])}
    smart = random.choice(['', '', 'smart.isp.org'])
    for name, text in tables.items():
        write(name, text)
    write('local-host-names', f'{HOST}\nvirt.test\nvirt2.test\n')
    configure(f"""divert(0)
OSTYPE(`linux')
define(`MAIL_SETTINGS_DIR',`{WORK}/')
define(`confDOMAIN_NAME',`{HOST}')
define(`confCW_FILE',`{WORK}/local-host-names')
define(`confCR_FILE',`{WORK}/relay-domains')
{"define(`SMART_HOST',`" + smart + "')" if smart else ''}
FEATURE(`nocanonify')
FEATURE(`access_db',`hash -T<TMPF> {WORK}/access')
FEATURE(`blocklist_recipients')
FEATURE(`virtusertable',`hash {WORK}/virtusertable')
FEATURE(`mailertable',`hash {WORK}/mailertable')
FEATURE(`use_cw_file')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
MAILER(local)
MAILER(smtp)
LOCAL_RULESETS
STranslate
R$* $$| $*\t$: $1 $| $2
""", ('access', 'virtusertable', 'mailertable'))
    questions, lines = [], ['.D{deliveryMode}i']
    for _ in range(args.questions):
        kind = random.choice(['relay', 'mail', 'rcpt', 'rcpt', 'rcpt', 'route', 'route'])
        ip, name, who = random.choice(ADDRESSES), random.choice(DOMAINS + ['']), address()
        questions.append([kind, who, ip, name])
        client = name or f'[{ip}]'
        lines += [f'.D{{client_addr}}{ip}', f'.D{{client_name}}{client}', '.D{client_resolve}OK', '.D{client_flag}']
        lines.append({'relay': f'Translate,check_relay {client} $| {ip}', 'mail': f'check_mail <{who}>',
                      'rcpt': f'check_rcpt <{who}>', 'route': f'3,0 {who}'}[kind])
    answers = []
    for block in re.split(r'(?m)^> ', ask(lines)):
        found = re.findall(r'(?m)^(?:check_relay|check_mail|check_rcpt|parse)\s+returns:\s*(.*)$', block)
        if found:
            answers.append(found[-1].strip())
    assert len(answers) == len(questions)
    return {'tables': tables, 'smartHost': smart,
            'questions': [q + [normal(a, q[0])] for q, a in zip(questions, answers)]}


def rewriting():
    options = {
        'masqueradeAs': random.choice(['', 'example.com', 'qq.com']),
        'masqueradeEnvelope': random.random() < .5,
        'masqueradeEntireDomain': random.random() < .4,
        'masqueradeDomains': random.choice([[], ['d.test'], ['d.test', 'a.test']]),
        'exposedUsers': random.choice([['root'], ['root', 'lee'], []]),
        'alwaysAddDomain': random.random() < .5,
        'genericsDomains': random.choice([[], [HOST], [HOST, 'd.test']]),
        'genericsEntireDomain': random.random() < .3,
    }
    rows = {}
    for _ in range(random.randint(0, 4)):
        key = random.choice(['lee', f'lee@{HOST}', 'ann@d.test', f'root@{HOST}', f'bob+*@{HOST}', '@d.test', 'bob',
                             f'bob@{HOST}', 'bob+*', 'lee@sub.d.test'])
        rows[key] = (key, random.choice(['dl@qq.com', 'x.y@163.com', 'lee2', 'bobby+%1@qq.com']))
    generics = table(rows)
    write('genericstable', generics)
    mc = ['divert(0)', "OSTYPE(`linux')", f"define(`MAIL_SETTINGS_DIR',`{WORK}/')",
          f"define(`confDOMAIN_NAME',`{HOST}')"]
    if options['masqueradeAs']:
        mc.append(f"MASQUERADE_AS(`{options['masqueradeAs']}')")
    for option, feature in (('masqueradeEnvelope', 'masquerade_envelope'), ('alwaysAddDomain', 'always_add_domain'),
                            ('masqueradeEntireDomain', 'masquerade_entire_domain')):
        if options[option]:
            mc.append(f"FEATURE(`{feature}')")
    mc += [f"MASQUERADE_DOMAIN(`{domain}')" for domain in options['masqueradeDomains']]
    mc += [f"EXPOSED_USER(`{user}')" for user in options['exposedUsers']]
    mc.append(f"FEATURE(`genericstable',`hash {WORK}/genericstable')")
    mc += [f"GENERICS_DOMAIN(`{domain}')" for domain in options['genericsDomains']]
    if options['genericsEntireDomain']:
        mc.append("FEATURE(`generics_entire_domain')")
    mc += ["FEATURE(`nocanonify')", 'MAILER(local)', 'MAILER(smtp)', '']
    configure('\n'.join(mc), ('genericstable',))
    questions, lines = [], []
    for role, flags in (('headerSender', 'HS'), ('envelopeSender', 'ES'), ('headerRecipient', 'HR'),
                        ('envelopeRecipient', 'ER')):
        for to, name in (('local', 'local'), ('remote', 'esmtp')):
            lines.append(f'/tryflags {flags}')
            for who in ['lee', 'root', 'ann', 'bob+x', f'lee@{HOST}', f'root@{HOST}', 'ann@d.test', 'zed@sub.d.test',
                        'lee@sub.d.test', 'bob@far.org', f'bob+x@{HOST}']:
                questions.append([role, to, who])
                lines.append(f'/try {name} {who}')
    answers = re.findall(r'(?m)^Rcode = \d+, addr = (.*)$', ask(lines))
    assert len(answers) == len(questions)
    return {'options': options, 'genericstable': generics,
            'questions': [q + [re.sub(r'\.$', '', a)] for q, a in zip(questions, answers)]}


recorded = {'decisions': [decisions() for _ in range(args.configs)],
            'rewriting': [rewriting() for _ in range(args.rewriting)]}
text = json.dumps(recorded, indent=0)
for old, new in (('[\n"', '["'), ('",\n"', '", "'), ('"\n]', '"]')):
    text = text.replace(old, new)
with open(args.out, 'w') as file:
    file.write(text + '\n')
subprocess.run(['rm', '-rf', WORK], check=True)
