/** What composing and sending say, in English. Whatever an entry quotes was made visible by the caller. */
export const sendingWords = {
  // Prompts, on a terminal only.
  toPrompt: 'To: ',
  subjectPrompt: 'Subject: ',
  ccPrompt: 'Cc: ',
  bccPrompt: 'Bcc: ',

  leftOut: (addresses: string) => `no mail can be sent to: ${addresses} (left out)`,
  nobodyToAnswer: (number: number) => `message ${number} names nobody to answer`,
  forwarded: '-------- Original Message --------',
  noRecipients: 'No recipients specified: nothing sent',
  killOnce: '(Interrupt -- one more to kill letter)',
  abandoned: 'The letter was not sent',
  useDot: 'Use "." to terminate letter',
  goOn: '(continue)',
  contains: 'Message contains:',
  kept: (path: string) => `The letter is kept in ${path}`,
  notSaved: (reason: string) => `the letter is not saved while it is typed: ${reason}`,
  notKept: 'The empty letter was not kept',
  notRecorded: (path: string, reason: string) => `sent, but no copy could be put in ${path}: ${reason}`,
  wouldSend: (recipients: string, octets: number) => `debug: ${octets} octets would go to ${recipients}`,
  attached: (name: string, octets: number) => `${name}: attached as a file, ${octets} octets`,
  tookForFile: (text: string) => `-a ${text}: attached as a file; a header would be 'Name: value'`,
  noAttachment: (path: string, reason: string) => `attachment ${path}: ${reason}. Nothing sent.`,
  badHeader: (text: string) => `-a ${text}: not a header of the form 'Name: value'. Nothing sent.`,
  unfinished: (count: number) =>
    `${count === 1 ? 'A letter was' : `${count} letters were`} not finished: see "tmail drafts"`,
  noDraft: (number: string) => `${number}: no such draft; "tmail drafts" lists them`,
  draftOpen: (number: string, pid: number) => `draft ${number} is being written by process ${pid}`,

  // Escapes.
  unknownEscape: (name: string) => `Unknown escape: ${name} (~? lists them); the line is not in the letter`,
  needsFile: (name: string) => `${name}: a file name is missing`,
  needsCommand: (name: string) => `${name}: a command is missing`,
  needsNames: (name: string) => `${name}: names are missing`,
  needsVariable: (name: string) => `${name}: a variable's name is missing`,
  noMessages: 'There are no messages here to put in',
  noVariable: (name: string) => `${name} is not set`,
  onTerminal: (name: string) => `${name} works on a terminal only`,
  readIn: (name: string, lines: number, octets: number) => `"${name}" ${lines}/${octets}`,
  interpolating: (numbers: string) => `Interpolating: ${numbers}`,
  commandFailed: (command: string, status: number) =>
    `"${command}" failed (exit status ${status}): the letter is as it was`,
  commandSilent: (command: string) => `"${command}" printed nothing: the letter is as it was`,
  editorFailed: (command: string, status: number) => `${command}: exit status ${status}`,
} as const;
