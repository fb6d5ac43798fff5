/**
 * THE table of commands: parsing, help, completion, previews and the man page are made from it.
 *
 * `short` forms win over all longer names that begin alike, and so does every beginning of a name that is as long as the
 * name's short form or longer: `pr` is print, because print is `p[rint]` and preserve `pre[serve]`. Beyond these any
 * unambiguous beginning will do.
 */
import { VERSION } from '../core/version.ts';
import type { Command, CommandContext } from './command.ts';
import { runCopy, runCopyByName, runSave, runSaveByName, runWrite } from './file.ts';
import { runFolder, runFolders, runInc } from './folder.ts';
import { runHelp, runListCommands } from './help.ts';
import { runUndo } from './history.ts';
import { runElse, runEndif, runIf, runSource } from './mailrc.ts';
import { marking, runDelete, runDeletePrint, runUndelete } from './mark.ts';
import { splitLine } from './parse.ts';
import { fieldList, fieldUnlist, runAlias, runAlternates, runEcho, runSet, runUnalias, runUnset } from './set.ts';
import { editing, runChangeDirectory, runPipe, runShell, runShellCommand } from './shell.ts';
import {
  printing,
  runCurrent,
  runFrom,
  runHeaders,
  runNext,
  runPrevious,
  runSize,
  runTop,
  screenStep,
} from './show.ts';
import { words } from './words/en.ts';

type Run = Command['run'];

/** What sends is loaded when something is sent. */
function sending(
  name: 'runMail' | 'runReply' | 'runReplySender' | 'runFollowup' | 'runFollowupSender' | 'runForward' | 'runResend',
): Run {
  return async (context, argument) => (await import('./send.ts'))[name](context, argument);
}

const ending =
  (how: 'quit' | 'exit'): Run =>
  async (context) => {
    context.ended = how;
  };

async function runVersion({ services }: CommandContext): Promise<void> {
  services.io.out(`tmail ${VERSION}`);
}

export const COMMANDS: readonly Command[] = [
  // Reading
  {
    name: 'next',
    aliases: ['+'],
    short: ['n'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print the current message if it was not printed yet, else the next; Enter does the same',
    group: 'reading',
    run: runNext,
  },
  {
    name: '-',
    aliases: [],
    short: [],
    argument: 'number',
    usage: '[N]',
    help: 'print the previous message',
    group: 'reading',
    run: runPrevious,
  },
  {
    name: 'print',
    aliases: ['type'],
    short: ['p', 't'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print messages; a number alone does the same',
    group: 'reading',
    run: printing({}),
  },
  {
    name: 'Print',
    aliases: ['Type'],
    short: ['P', 'T'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print messages with all header fields',
    group: 'reading',
    run: printing({ all: true }),
  },
  {
    name: 'more',
    aliases: ['page'],
    short: ['mo', 'pa'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print messages through the pager',
    group: 'reading',
    run: printing({ paged: true }),
  },
  {
    name: 'top',
    aliases: [],
    short: ['to'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print the first lines of messages (toplines)',
    group: 'reading',
    run: runTop,
  },
  {
    name: 'headers',
    aliases: [],
    short: ['h'],
    argument: 'list',
    usage: '[N]',
    help: 'print the screenful of headers with message N or the current one',
    group: 'reading',
    run: runHeaders,
  },
  {
    name: 'z',
    aliases: ['z+'],
    short: [],
    argument: 'number',
    usage: '[N]',
    help: 'go N screenfuls of headers on',
    group: 'reading',
    run: screenStep(1),
  },
  {
    name: 'z-',
    aliases: [],
    short: [],
    argument: 'number',
    usage: '[N]',
    help: 'go N screenfuls of headers back',
    group: 'reading',
    run: screenStep(-1),
  },
  {
    name: 'from',
    aliases: [],
    short: ['f'],
    argument: 'list-deleted',
    usage: '[LIST]',
    help: 'print the headers of messages',
    group: 'reading',
    run: runFrom,
  },
  {
    name: 'search',
    aliases: [],
    short: [],
    argument: 'text',
    usage: 'TERM...',
    help: 'print the headers of messages that match all of: text from:A to:A subject:T body:T after:DATE before:DATE is:unread has:attachment',
    group: 'reading',
    run: async (context, argument) => (await import('./search.ts')).runSearch(context, argument),
  },
  {
    name: '=',
    aliases: [],
    short: [],
    argument: 'none',
    usage: '',
    help: 'print the number of the current message',
    group: 'reading',
    run: runCurrent,
  },
  {
    name: 'size',
    aliases: [],
    short: ['si'],
    argument: 'list',
    usage: '[LIST]',
    help: 'print the size of messages in bytes',
    group: 'reading',
    run: runSize,
  },

  // Disposing
  {
    name: 'delete',
    aliases: [],
    short: ['d'],
    argument: 'list',
    usage: '[LIST]',
    help: 'delete messages at the end of the session',
    group: 'disposing',
    run: runDelete,
  },
  {
    name: 'dp',
    aliases: ['dt'],
    short: [],
    argument: 'list',
    usage: '[LIST]',
    help: 'delete messages and print the next',
    group: 'disposing',
    run: runDeletePrint,
  },
  {
    name: 'undelete',
    aliases: [],
    short: ['u'],
    argument: 'list-deleted',
    usage: '[LIST]',
    help: 'bring deleted messages back',
    group: 'disposing',
    run: runUndelete,
  },
  {
    name: 'hold',
    aliases: ['preserve'],
    short: ['ho', 'pre'],
    argument: 'list',
    usage: '[LIST]',
    help: 'keep messages in the system mailbox though they were read',
    group: 'disposing',
    notInRc: true,
    run: marking('hold'),
  },
  {
    name: 'mbox',
    aliases: [],
    short: ['mb'],
    argument: 'list',
    usage: '[LIST]',
    help: 'move messages to mbox at the end of the session',
    group: 'disposing',
    run: marking('mbox'),
  },
  {
    name: 'touch',
    aliases: [],
    short: ['tou'],
    argument: 'list',
    usage: '[LIST]',
    help: 'treat messages as read when it comes to mbox',
    group: 'disposing',
    run: marking('touch'),
  },
  {
    name: 'unread',
    aliases: ['new', 'Unread'],
    short: ['U'],
    argument: 'list',
    usage: '[LIST]',
    help: 'make messages unread again',
    group: 'disposing',
    run: marking('unread'),
  },
  {
    name: 'flag',
    aliases: [],
    short: ['fl'],
    argument: 'list',
    usage: '[LIST]',
    help: 'flag messages as important',
    group: 'disposing',
    run: marking('flag'),
  },
  {
    name: 'unflag',
    aliases: [],
    short: ['unf'],
    argument: 'list',
    usage: '[LIST]',
    help: 'take flags off messages',
    group: 'disposing',
    run: marking('unflag'),
  },
  {
    name: 'undo',
    aliases: [],
    short: [],
    argument: 'words',
    usage: '[N | list]',
    help: 'take back the last N changes of this session, or list them',
    group: 'disposing',
    run: runUndo,
  },
  {
    name: 'recover',
    aliases: [],
    short: [],
    argument: 'words',
    usage: '[N]',
    help: 'bring back what earlier sessions deleted or moved; alone it lists that',
    group: 'disposing',
    notInRc: true,
    run: async (context, argument) => (await import('./recover.ts')).runRecover(context, argument),
  },

  // Filing
  {
    name: 'save',
    aliases: [],
    short: ['s'],
    argument: 'list-file',
    usage: '[LIST] [FILE]',
    help: 'append messages to FILE and let them leave the system mailbox',
    group: 'filing',
    notInRc: true,
    run: runSave,
  },
  {
    name: 'copy',
    aliases: [],
    short: ['c', 'co'],
    argument: 'list-file',
    usage: '[LIST] [FILE]',
    help: 'append messages to FILE',
    group: 'filing',
    notInRc: true,
    run: runCopy,
  },
  {
    name: 'Save',
    aliases: [],
    short: ['S'],
    argument: 'list',
    usage: '[LIST]',
    help: 'save messages to a file named after the author',
    group: 'filing',
    notInRc: true,
    run: runSaveByName,
  },
  {
    name: 'Copy',
    aliases: [],
    short: ['C'],
    argument: 'list',
    usage: '[LIST]',
    help: 'copy messages to a file named after the author',
    group: 'filing',
    notInRc: true,
    run: runCopyByName,
  },
  {
    name: 'write',
    aliases: [],
    short: ['w'],
    argument: 'list-file',
    usage: '[LIST] [FILE]',
    help: 'append the texts of messages, without headers, to FILE',
    group: 'filing',
    notInRc: true,
    run: runWrite,
  },
  {
    name: 'attachments',
    aliases: [],
    short: ['att'],
    argument: 'list-file',
    usage: '[LIST] [FOLDER]',
    help: 'list the attachments of messages, or save them into FOLDER',
    group: 'filing',
    notInRc: true,
    run: async (context, argument) => (await import('./attachments.ts')).runAttachments(context, argument),
  },
  {
    name: 'file',
    aliases: ['folder'],
    short: ['fi', 'fold'],
    argument: 'file',
    usage: '[FILE]',
    help: 'leave the mailbox as q does and open FILE; alone it tells where we are',
    group: 'filing',
    notInRc: true,
    run: runFolder,
  },
  {
    name: 'folders',
    aliases: [],
    short: [],
    argument: 'file',
    usage: '',
    help: 'list the folders (folder)',
    group: 'filing',
    run: runFolders,
  },
  {
    name: 'inc',
    aliases: [],
    short: ['in'],
    argument: 'none',
    usage: '',
    help: 'take in mail that came since',
    group: 'filing',
    run: runInc,
  },

  // Sending
  {
    name: 'mail',
    aliases: [],
    short: ['m'],
    argument: 'words',
    usage: 'TO...',
    help: 'write a letter',
    group: 'sending',
    notInRc: true,
    run: sending('runMail'),
  },
  {
    name: 'reply',
    aliases: ['respond'],
    short: ['r', 'res'],
    argument: 'list',
    usage: '[LIST]',
    help: 'reply to the sender and all recipients',
    group: 'sending',
    notInRc: true,
    run: sending('runReply'),
  },
  {
    name: 'Reply',
    aliases: ['Respond'],
    short: ['R'],
    argument: 'list',
    usage: '[LIST]',
    help: 'reply to the senders alone',
    group: 'sending',
    notInRc: true,
    run: sending('runReplySender'),
  },
  {
    name: 'followup',
    aliases: [],
    short: ['fo'],
    argument: 'list',
    usage: '[LIST]',
    help: 'reply to all, with a copy in a file named after the sender',
    group: 'sending',
    notInRc: true,
    run: sending('runFollowup'),
  },
  {
    name: 'Followup',
    aliases: [],
    short: ['F'],
    argument: 'list',
    usage: '[LIST]',
    help: 'reply to the senders alone, with a copy in a file named after the first',
    group: 'sending',
    notInRc: true,
    run: sending('runFollowupSender'),
  },
  {
    name: 'forward',
    aliases: ['fwd'],
    short: ['for'],
    argument: 'words',
    usage: '[LIST] TO',
    help: 'send messages on with words of yours',
    group: 'sending',
    notInRc: true,
    run: sending('runForward'),
  },
  {
    name: 'resend',
    aliases: ['redirect', 'bounce'],
    short: ['rese'],
    argument: 'words',
    usage: '[LIST] TO',
    help: 'send messages on as they are',
    group: 'sending',
    notInRc: true,
    run: sending('runResend'),
  },

  // Names
  {
    name: 'alias',
    aliases: ['group'],
    short: ['a', 'g'],
    argument: 'words',
    usage: '[NAME [ADDRESS...]]',
    help: 'let NAME stand for addresses; alone it lists',
    group: 'names',
    run: runAlias,
  },
  {
    name: 'unalias',
    aliases: ['ungroup'],
    short: ['una'],
    argument: 'words',
    usage: 'NAME...',
    help: 'forget aliases',
    group: 'names',
    run: runUnalias,
  },
  {
    name: 'alternates',
    aliases: [],
    short: ['alt'],
    argument: 'words',
    usage: '[ADDRESS...]',
    help: 'further addresses of yours: replies leave them out',
    group: 'names',
    run: runAlternates,
  },

  // Settings
  {
    name: 'set',
    aliases: [],
    short: ['se'],
    argument: 'words',
    usage: '[NAME[=VALUE]... noNAME...]',
    help: 'set variables; alone it lists them',
    group: 'settings',
    run: runSet,
  },
  {
    name: 'unset',
    aliases: [],
    short: ['uns'],
    argument: 'words',
    usage: 'NAME...',
    help: 'unset variables',
    group: 'settings',
    run: runUnset,
  },
  {
    name: 'ignore',
    aliases: ['discard'],
    short: ['ig', 'di'],
    argument: 'words',
    usage: '[FIELD...]',
    help: 'do not print these header fields; alone it lists them',
    group: 'settings',
    run: fieldList('ignored'),
  },
  {
    name: 'unignore',
    aliases: [],
    short: [],
    argument: 'words',
    usage: 'FIELD...',
    help: 'print these header fields again; * stands for all',
    group: 'settings',
    run: fieldUnlist('ignored'),
  },
  {
    name: 'retain',
    aliases: [],
    short: ['ret'],
    argument: 'words',
    usage: '[FIELD...]',
    help: 'print these header fields only; alone it lists them',
    group: 'settings',
    run: fieldList('retained'),
  },
  {
    name: 'unretain',
    aliases: [],
    short: [],
    argument: 'words',
    usage: 'FIELD...',
    help: 'take header fields off the list of retain; * stands for all',
    group: 'settings',
    run: fieldUnlist('retained'),
  },
  {
    name: 'source',
    aliases: [],
    short: ['so'],
    argument: 'file',
    usage: 'FILE',
    help: 'run the commands in FILE',
    group: 'settings',
    run: runSource,
  },
  {
    name: 'if',
    aliases: [],
    short: ['i'],
    argument: 'words',
    usage: 's | r | t',
    help: 'run what follows when sending, when reading, on a terminal',
    group: 'settings',
    run: runIf,
  },
  {
    name: 'else',
    aliases: [],
    short: ['el'],
    argument: 'none',
    usage: '',
    help: 'the other case of if',
    group: 'settings',
    run: runElse,
  },
  {
    name: 'endif',
    aliases: [],
    short: ['en'],
    argument: 'none',
    usage: '',
    help: 'end of if',
    group: 'settings',
    run: runEndif,
  },

  // Other
  {
    name: '!',
    aliases: [],
    short: [],
    argument: 'text',
    usage: 'CMD',
    help: 'run a shell command',
    group: 'other',
    notInRc: true,
    run: runShellCommand,
  },
  {
    name: 'shell',
    aliases: [],
    short: ['sh'],
    argument: 'none',
    usage: '',
    help: 'start a shell',
    group: 'other',
    notInRc: true,
    run: runShell,
  },
  {
    name: 'pipe',
    aliases: ['|'],
    short: ['pi'],
    argument: 'list-shell',
    usage: '[LIST] CMD',
    help: 'give messages to a shell command',
    group: 'other',
    run: runPipe,
  },
  {
    name: 'edit',
    aliases: [],
    short: ['e'],
    argument: 'list',
    usage: '[LIST]',
    help: 'edit messages with EDITOR',
    group: 'other',
    notInRc: true,
    run: editing('EDITOR', 'ed'),
  },
  {
    name: 'visual',
    aliases: [],
    short: ['v'],
    argument: 'list',
    usage: '[LIST]',
    help: 'edit messages with VISUAL',
    group: 'other',
    notInRc: true,
    run: editing('VISUAL', 'vi'),
  },
  {
    name: 'cd',
    aliases: ['chdir'],
    short: ['ch'],
    argument: 'file',
    usage: '[FOLDER]',
    help: 'go to another working directory, without a name home',
    group: 'other',
    run: runChangeDirectory,
  },
  {
    name: 'echo',
    aliases: [],
    short: ['ec'],
    argument: 'words',
    usage: 'TEXT...',
    help: 'print text',
    group: 'other',
    run: runEcho,
  },
  {
    name: 'help',
    aliases: ['?'],
    short: ['hel'],
    argument: 'words',
    usage: '[COMMAND]',
    help: 'list the commands, or say what one does',
    group: 'other',
    run: (context, argument) => runHelp(COMMANDS, context, argument),
  },
  {
    name: 'list',
    aliases: [],
    short: ['l'],
    argument: 'none',
    usage: '',
    help: 'list the names of all commands',
    group: 'other',
    run: (context) => runListCommands(COMMANDS, context),
  },
  {
    name: 'version',
    aliases: [],
    short: ['ver'],
    argument: 'none',
    usage: '',
    help: 'print the version',
    group: 'other',
    run: runVersion,
  },
  {
    name: '#',
    aliases: [],
    short: [],
    argument: 'text',
    usage: '',
    help: 'a remark: does nothing',
    group: 'other',
    run: async () => {},
  },
  {
    name: 'quit',
    aliases: [],
    short: ['q'],
    argument: 'none',
    usage: '',
    help: 'end the session: carry out what was asked, move what was read to mbox',
    group: 'other',
    notInRc: true,
    run: ending('quit'),
  },
  {
    name: 'exit',
    aliases: ['xit'],
    short: ['x', 'ex'],
    argument: 'none',
    usage: '',
    help: 'end the session and leave the mailbox as it was',
    group: 'other',
    notInRc: true,
    run: ending('exit'),
  },
];

/** All names of a command, the long ones. */
export function namesOf(command: Command): readonly string[] {
  return [command.name, ...command.aliases];
}

export type Found = { readonly command: Command } | { readonly error: string };

const BY_NAME = new Map(
  COMMANDS.flatMap((command) => [...namesOf(command), ...command.short].map((name) => [name, command] as const)),
);

/** The command that a word means: by its name, a short form, or an unambiguous beginning. */
export function findCommand(word: string): Found {
  const exact = BY_NAME.get(word);
  if (exact !== undefined) return { command: exact };
  if (!/^[A-Za-z]+$/.test(word)) return { error: words.unknownCommand(word) };
  const beginning = COMMANDS.filter((command) => namesOf(command).some((name) => name.startsWith(word)));
  const byRight = beginning.filter((command) =>
    namesOf(command).some(
      (name) =>
        name.startsWith(word) && command.short.some((short) => name.startsWith(short) && word.startsWith(short)),
    ),
  );
  const [first, ...others] = byRight.length > 0 ? byRight : beginning;
  if (first === undefined) return { error: words.unknownCommand(word) };
  if (others.length === 0) return { command: first };
  const names = [first, ...others].flatMap((command) => namesOf(command).filter((name) => name.startsWith(word)));
  return { error: words.ambiguousCommand(word, names) };
}

export interface ParsedCommand {
  readonly command: Command;
  readonly argument: string;
  /** Where the argument begins in the line, from 1. */
  readonly column: number;
}

/**
 * Finds command and argument of a line. Without a word it is print when a number leads, next when nothing or a search
 * does: `10-50` prints them all, `/text` goes to the next that matches.
 */
export function parseCommand(line: string): ParsedCommand | { readonly error: string } {
  const { word, argument, column } = splitLine(line);
  if (word === '') {
    const found = findCommand(/^[\d.^$*]/.test(argument) ? 'print' : 'next');
    return 'error' in found ? found : { command: found.command, argument, column };
  }
  const found = findCommand(word);
  return 'error' in found ? found : { command: found.command, argument, column };
}
