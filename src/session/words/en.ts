/**
 * What a session says, in English: one entry a message, so that another language is another file of the same shape.
 *
 * Whatever an entry quotes is made visible by the caller's `io` or before it gets here (core/text.ts).
 */

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const messages = (count: number): string => plural(count, 'message');

export const words = {
  plural,
  messages,

  // Lists of messages.
  noApplicable: (text: string) => (text === '' ? 'No applicable messages' : `No applicable messages: ${text}`),
  emptySearch: '/ needs the text to look for',
  unknownType: (text: string) =>
    `"${text}": types are :n new, :o old, :r read, :u unread, :d deleted, :f flagged, :a answered`,
  malformedTerm: (text: string) => `"${text}" is no message list; write 3, 2-5, ., ^, $, +, -, *, :u, /text or a name`,
  noSuchMessage: (number: number, count: number) =>
    count === 0 ? `${number}: there are no messages` : `${number}: no such message, there are 1 to ${count}`,
  messageDeleted: (number: number) => `No applicable messages: ${number} is deleted (u ${number} brings it back)`,
  messageGone: (number: number) => `No applicable messages: another program removed ${number}`,
  noMessageThere: (sign: string) => `"${sign}": there is no such message`,
  reversedRange: (text: string) => `"${text}": the range runs backwards, nothing done`,

  // Commands.
  unknownCommand: (word: string) => `Unknown command: "${word}" (? lists the commands)`,
  ambiguousCommand: (word: string, names: readonly string[]) => `"${word}" could be ${names.join(' or ')}`,
  notInStartup: (name: string) => `"${name}" is not allowed in a startup file`,
  takesNothing: (name: string) => `${name} takes no argument`,
  needsArgument: (name: string, usage: string) => `${name}: what is missing is ${usage}`,
  atEnd: 'At EOF',
  atBeginning: 'No message before this one',
  lastScreen: 'On last screenful of messages',
  firstScreen: 'On first screenful of messages',
  interrupted: 'Interrupt',
  noInput: (reason: string) => `commands cannot be read any more (${reason}): the mailbox stays as it was`,
  useQuit: 'Use "quit" to quit.',
  notANumber: (name: string, text: string) => `${name}: "${text}" is not a number of steps`,
  oneName: (extra: string) => `one name is enough; "${extra}" is too many`,
  exitStatus: (status: number) => `exit status ${status}`,
  messageTitle: (number: number) => `Message ${number}:`,

  // Mailboxes.
  noMail: (user: string) => `No mail for ${user}`,
  noMailIn: (name: string) => `No mail in ${name}`,
  noFileThere: (path: string) => `${path}: No such file or directory`,
  noSuchFolder: (path: string) => `${path}: no such folder`,
  cannotOpen: (path: string, reason: string) => `${path}: ${reason}`,
  cannotWrite: (path: string, reason: string) => `cannot write ${path}: ${reason}`,
  noFile: (path: string) => `${path} is not a regular file`,
  notThere: (path: string) => `${path}: what was written cannot be read back; nothing was marked saved`,
  filed: (name: string, isNew: boolean, lines: number, bytes: number) =>
    `"${name}" [${isNew ? 'New file' : 'Appended'}] ${lines}/${bytes}`,
  boxLine: (name: string, count: number, fresh: number, unread: number, deleted: number, readOnly: string) =>
    [
      `"${name}": ${messages(count)}`,
      fresh > 0 ? ` ${fresh} new` : '',
      unread > 0 ? ` ${unread} unread` : '',
      deleted > 0 ? ` ${deleted} deleted` : '',
      readOnly === '' ? '' : ` [Read only: ${readOnly}]`,
    ].join(''),
  readOnlyMark: (reason: string) => `read-only mailbox, this will have no effect at the end: ${reason}`,
  readOnlyQuit: (name: string) => `"${name}" is read-only: nothing was deleted or moved`,
  newMail: (count: number) => (count === 1 ? 'New mail has arrived.' : `New mail has arrived: ${messages(count)}.`),
  noNewMail: 'No new mail',
  removedByOthers: (count: number) => `${messages(count)} removed by another program`,

  // File names.
  emptyFileName: 'a file name is missing',
  badFileName: (name: string) => `no file can be called ${JSON.stringify(name)}`,
  noPrevious: '#: there is no previous mailbox',
  noFolder: (name: string) => `${name}: "folder" is not set (set folder=Mail)`,
  folderNotSet: '"folder" is not set (set folder=Mail)',
  manyMatches: (name: string, count: number) => `${name} matches ${count} files, it must match one`,

  // Searching.
  badDate: (text: string) => `"${text}" is no date; write it as 2026-03-01`,
  badState: (text: string, states: readonly string[]) => `is:${text} is unknown; there is ${states.join(', ')}`,
  badHas: (text: string) => `has:${text} is unknown; there is has:attachment`,
  nothingFound: (text: string) => `No message matches: ${text}`,

  // Help.
  helpGroup: {
    reading: 'Reading',
    disposing: 'Disposing',
    filing: 'Filing',
    sending: 'Sending',
    names: 'Names',
    settings: 'Settings',
    other: 'Other',
  },
  helpLists: [
    'A LIST of messages: 3  2-5  . current  ^ first  $ last  + next  - previous  * all  /text in the subject',
    '  :n new  :o old  :r read  :u unread  :d deleted  lee sent by lee; several are parted by blanks',
    'Commands can be cut short as long as it is clear what is meant. "help NAME" tells more, "list" names all.',
  ],
  noHelp: (word: string) => `there is no command or variable called "${word}"`,
  noAlias: (name: string) => `"${name}": no such alias`,
  nothingToUndo: 'Nothing to undo',
  undone: (line: string) => `undone: ${line}`,
  undoUsage: (text: string) => `undo: "${text}" is neither a number of steps nor "list"`,

  // What earlier sessions took away.
  nothingToRecover: 'Nothing is kept that could be brought back',
  recoverRow: (entry: { deleted: number; saved: number; moved: number; restored: boolean }) =>
    [
      entry.deleted > 0 ? `${entry.deleted} deleted` : '',
      entry.saved > 0 ? `${entry.saved} saved` : '',
      entry.moved > 0 ? `${entry.moved} moved` : '',
      entry.restored ? 'brought back' : '',
    ]
      .filter((part) => part !== '')
      .join(', '),
  noSuchRecover: (text: string, count: number) => `recover: "${text}" is none of 1 to ${count} ("recover" lists them)`,
  recovered: (restored: number, present: number, unmoved: number, path: string) =>
    [
      `${messages(restored)} brought back to "${path}"`,
      present > 0 ? `, ${present} still there` : '',
      unmoved > 0 ? `, ${unmoved} taken out of mbox again` : '',
    ].join(''),
  unnamed: '(no name)',
  noAttachments: 'No attachments',

  // Startup files.
  tooLargeToSource: (path: string) => `${path} is too large for a file of commands`,
  sourceLoop: (path: string) => `source ${path}: files source one another too deeply`,
  missingEndif: (path: string) => `${path}: an "if" has no "endif"`,
  withoutIf: (name: string) => `"${name}" without "if"`,
  unknownCondition: (text: string) => `if ${text}: write if s (sending), if r (reading) or if t (on a terminal)`,

  // The end of a session.
  quitDeleted: (count: number) => `${count} deleted`,
  quitSaved: (count: number) => `${count} saved`,
  quitToMbox: (count: number, mbox: string) => `${count} read -> ${mbox}`,
  quitEdited: (count: number) => `${count} edited`,
  quitStay: (count: number) => `${count} ${count === 1 ? 'stays' : 'stay'}`,
  quitArrived: (count: number) => `${count} new kept`,
  mboxFailed: (mbox: string, reason: string, count: number) =>
    `cannot write mbox ${mbox}: ${reason}; ${messages(count)} kept in the mailbox`,
  takenByOthers: (count: number) => `${messages(count)} had been removed by another program`,
  keptDoubtful: (count: number) =>
    `${messages(count)} left in the mailbox: another program put mail like it there, which was not shown`,
  rescued: (count: number, mbox: string) =>
    `${messages(count)} read here but taken away by another program: kept in ${mbox}`,
  cannotLeave: (reason: string) => `the mailbox was left as it was: ${reason}`,

  // Editing.
  editorFailed: (editor: string, status: number) => `${editor}: exit status ${status}, message not changed`,
  editedNoHeader: (number: number) => `message ${number} does not begin with a header any more, not changed`,
} as const;
