/**
 * The configuration as the parts of the daemon want it, typed; and what its administrator should be warned of.
 */
import { networkInterfaces } from 'node:os';
import { type Listen, type Role, showListenAddress } from '../config/listen.ts';
import { type Config, optionValue, settled } from '../config/load.ts';
import { below, type SystemPaths } from '../config/paths.ts';
import { errnoOf, reasonOf } from '../core/errors.ts';
import type { ScheduleSettings } from '../queue/schedule.ts';
import { isLoopback, type RuleOptions } from '../rules/rules.ts';
import type { SmtpConfig, SmtpLimits } from '../smtp/question.ts';

export interface DaemonSettings {
  readonly hostname: string;
  readonly paths: SystemPaths;
  readonly listeners: readonly Listener[];
  readonly limits: SmtpLimits;
  readonly connections: { readonly all: number; readonly perClient: number };
  readonly schedule: ScheduleSettings;
  readonly rules: RuleOptions;
  readonly local: LocalSettings;
  readonly log: { readonly file: string; readonly format: 'json' | 'maillog' };
  /** One line each, to be told at every start. */
  readonly warnings: readonly string[];
}

/** What differs from listener to listener of an SMTP server; the rest of SmtpConfig the daemon knows. */
export type ListenerFlags = Pick<
  SmtpConfig,
  | 'lmtp'
  | 'requireTls'
  | 'requireAuth'
  | 'requireHelo'
  | 'vrfy'
  | 'expn'
  | 'etrn'
  | 'refuseEarlyTalkers'
  | 'bareNewline'
>;

export interface Listener extends Omit<Listen, 'requireTls' | 'requireAuth' | 'requireHelo'>, ListenerFlags {}

export interface LocalSettings {
  /** Absolute paths. */
  readonly programs: ReadonlySet<string>;
  /** Milliseconds. */
  readonly programLimit: number;
  /** Name of the Maildir in the home of a user; undefined: the system mailbox. */
  readonly maildirOf: (user: string) => string | undefined;
  /** Octets of a system mailbox; undefined: no limit. */
  readonly quota: number | undefined;
  /** Permission bits of a new system mailbox. */
  readonly mailboxMode: number;
}

export function daemonSettings(config: Config): DaemonSettings {
  const { paths, hostname } = config;
  return {
    hostname: hostname.value,
    paths,
    listeners: config.listen.map((listen) => listenerOf(config, listen)),
    limits: limitsOf(config),
    connections: {
      all: settled(config, 'limits.connections'),
      perClient: settled(config, 'limits.connections_per_client'),
    },
    schedule: {
      interval: settled(config, 'queue.interval'),
      warnAfter: settled(config, 'queue.warn_after'),
      returnAfter: settled(config, 'queue.return_after'),
    },
    rules: ruleOptions(config),
    local: localSettings(localOptions(config)),
    log: {
      file: below(paths.root, optionValue(config, 'log.file') ?? '/var/log/tmail.log'),
      format: settled(config, 'log.format') === 'maillog' ? 'maillog' : 'json',
    },
    warnings: warningsOf(config),
  };
}

/** Roles that take mail from a user's own program (RFC 6409). */
const SUBMISSION: ReadonlySet<Role> = new Set(['submission', 'submissions']);

function listenerOf(config: Config, listen: Listen): Listener {
  const submission = SUBMISSION.has(listen.role);
  const lmtp = listen.role === 'lmtp';
  return {
    role: listen.role,
    address: listen.address,
    origin: listen.origin,
    lmtp,
    requireTls: listen.requireTls ?? submission,
    requireAuth: listen.requireAuth ?? submission,
    requireHelo: lmtp || (listen.requireHelo ?? settled(config, 'smtp.require_helo')),
    vrfy: settled(config, 'smtp.vrfy'),
    expn: settled(config, 'smtp.expn'),
    etrn: settled(config, 'smtp.etrn') && !submission && !lmtp,
    refuseEarlyTalkers: settled(config, 'smtp.refuse_early_talkers') && listen.role === 'mta',
    bareNewline: settled(config, 'smtp.bare_newline') === 'convert' ? 'convert' : 'refuse',
  };
}

/** Bytes of a command line (RFC 5321 4.5.3.1.4 says 512; parameters add to it). */
const COMMAND_LINE = 2048;

function limitsOf(config: Config): SmtpLimits {
  return {
    size: settled(config, 'limits.message_size'),
    header: settled(config, 'limits.header_size'),
    line: settled(config, 'limits.line_length'),
    hops: settled(config, 'limits.hops'),
    command: COMMAND_LINE,
    recipients: settled(config, 'limits.recipients'),
    badRecipients: settled(config, 'limits.bad_recipients'),
    badCommands: settled(config, 'limits.bad_commands'),
    idleCommands: settled(config, 'limits.idle_commands'),
    authFailures: settled(config, 'limits.auth_failures'),
  };
}

export function ruleOptions(config: Config): RuleOptions {
  return {
    hostname: config.hostname.value,
    ownAddresses: addressesOfThisHost(),
    relay: {
      promiscuous: settled(config, 'relay.promiscuous'),
      basedOnMx: settled(config, 'relay.based_on_mx'),
      loopback: settled(config, 'relay.loopback'),
      senderRules: settled(config, 'relay.sender_rules'),
      hostsOnly: settled(config, 'relay.hosts_only'),
      smartHost: settled(config, 'relay.smart_host'),
    },
    rewrite: {
      masqueradeAs: settled(config, 'rewrite.masquerade_as'),
      masqueradeEnvelope: settled(config, 'rewrite.masquerade_envelope'),
      masqueradeEntireDomain: settled(config, 'rewrite.masquerade_entire_domain'),
      masqueradeDomains: settled(config, 'rewrite.masquerade_domains'),
      exposedUsers: settled(config, 'rewrite.exposed_users'),
      alwaysAddDomain: settled(config, 'rewrite.always_add_domain'),
      genericsDomains: settled(config, 'rewrite.generics_domains'),
      genericsEntireDomain: settled(config, 'rewrite.generics_entire_domain'),
      genericsEnvelope: settled(config, 'rewrite.generics_envelope'),
    },
    blacklistRecipients: settled(config, 'smtp.blacklist_recipients'),
    acceptUnresolvableDomains: settled(config, 'smtp.accept_unresolvable_domains'),
  };
}

function addressesOfThisHost(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [...new Set(all.map(({ address }) => address))].filter((address) => !isLoopback(address));
}

/** The section `[local]` as plain values, which another process can be given. */
export interface LocalOptions {
  readonly programs: readonly string[];
  /** Milliseconds. */
  readonly programLimit: number;
  /** '' for the system mailbox. */
  readonly maildir: string;
  readonly maildirUsers: readonly string[];
  /** Octets; 0 for no limit. */
  readonly quota: number;
  readonly mailboxMode: number;
}

export function localOptions(config: Config): LocalOptions {
  return {
    programs: settled(config, 'local.programs'),
    programLimit: settled(config, 'local.program_timeout'),
    maildir: settled(config, 'local.maildir'),
    maildirUsers: settled(config, 'local.maildir_users'),
    quota: settled(config, 'local.quota'),
    mailboxMode: settled(config, 'local.mailbox_mode'),
  };
}

export function localSettings(options: LocalOptions): LocalSettings {
  const { programs, programLimit, maildir, quota, mailboxMode } = options;
  const users = new Set(options.maildirUsers);
  return {
    programs: new Set(programs),
    programLimit,
    maildirOf: (user) => (maildir !== '' && (users.has('*') || users.has(user)) ? maildir : undefined),
    quota: quota === 0 ? undefined : quota,
    mailboxMode,
  };
}

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  const origin = (name: Parameters<typeof settled>[1]) => config.set.get(name)?.origin ?? 'default';
  if (settled(config, 'relay.promiscuous')) {
    warnings.push(
      `${origin('relay.promiscuous')}: promiscuous relaying is on: anybody in the world who reaches this host can send mail through it`,
    );
  }
  if (settled(config, 'relay.sender_rules')) {
    warnings.push(`${origin('relay.sender_rules')}: senders may relay by their address alone, which anybody can claim`);
  }
  const { value } = config.hostname;
  if (!value.includes('.')) {
    warnings.push(
      `the host name ${JSON.stringify(value)} is not fully qualified: others may refuse its mail; set hostname in ${config.paths.config}`,
    );
  }
  const { warnAfter, returnAfter } = {
    warnAfter: settled(config, 'queue.warn_after'),
    returnAfter: settled(config, 'queue.return_after'),
  };
  const late = warnAfter.filter((after) => after >= returnAfter);
  if (late.length > 0) {
    warnings.push(`${origin('queue.warn_after')}: a warning after return_after is never sent`);
  }
  return warnings;
}

/** Who can reach the listeners, in words. */
export function reachability(listeners: readonly Pick<Listener, 'role' | 'address'>[]): string {
  const open = listeners.filter(({ address }) => address.kind === 'tcp' && !isLoopback(loopbackName(address.host)));
  if (open.length === 0) return 'reachable from: loopback only';
  return `reachable from: ${open.map(({ role, address }) => `${showListenAddress(address)} (${role})`).join(', ')}`;
}

function loopbackName(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

/** Why a listener could not be opened, and what to do, in one line. */
export function cannotListen(
  listener: Pick<Listener, 'role' | 'address' | 'origin'>,
  error: unknown,
  configFile: string,
): string {
  const { role, address, origin } = listener;
  const where = origin === 'default' ? '' : `${origin}: `;
  const what = `${where}cannot listen on ${showListenAddress(address)} for ${role}`;
  switch (errnoOf(error)) {
    case 'EACCES':
    case 'EPERM': {
      if (address.kind === 'unix') return `${what}: ${reasonOf(error)}`;
      const block = `[[listen]] role = "${role}" address = "${address.host}:2525"`;
      return `${what}: only root may open ports below 1024; start it as root, or write ${block} in ${configFile}`;
    }
    case 'EADDRINUSE':
      return `${what}: another program listens there already (\`ss -ltnp\` shows which)`;
    case 'EADDRNOTAVAIL':
      return `${what}: this host has no such address (\`ip address\` shows those it has)`;
    default:
      return `${what}: ${reasonOf(error)}`;
  }
}
