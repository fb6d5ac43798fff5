/**
 * `tmail daemon --detach`: starts the daemon in the background and waits until it is ready, so that whoever called knows.
 *
 * Its own process number goes to run/tmail.pid. Two daemons never work on one queue, whatever that file says.
 */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { EX } from '../core/errors.ts';
import { type Disk, makeFolder, replaceFile } from '../core/files.ts';
import { printError, printText } from './stdio.ts';

/** Starts this program with `args` in a session of its own; the exit status: 0 when it is ready, else its own. */
export async function detach(args: readonly string[], pidFile: string, disk: Disk): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const status = await new Promise<number>((resolve) => {
    child.on('error', ({ message }) => {
      said += `tmail: cannot be started: ${message}\n`;
      resolve(EX.osError);
    });
    child.on('close', (code) => resolve(code ?? EX.software));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') resolve(EX.ok);
      else printText(`${line}\n`);
    });
  });
  for (const line of said.split('\n')) if (line !== '') printError(line);
  if (status !== EX.ok) return status;
  makeFolder(disk, dirname(pidFile), 0o755);
  replaceFile(disk, pidFile, Buffer.from(`${child.pid}\n`), 0o644);
  return printText('ready\n');
}

/** A unit for systemd that runs this program. */
export function systemdUnit(program: string): string {
  return `[Unit]
Description=tmail mail server
Documentation=man:tmail(1)
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=${program} daemon
ExecReload=/bin/kill -HUP $MAINPID
# The main process gives root up by itself; it ends the others when it is done.
KillMode=mixed
TimeoutStopSec=60
Restart=on-failure
RestartSec=5
LimitNOFILE=65536
# Helpers deliver into homes and to programs as their users, so neither is closed here.
ProtectSystem=full
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`;
}
