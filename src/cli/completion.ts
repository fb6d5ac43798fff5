/**
 * `tmail completion bash|zsh|fish`: a completion script, made from the tables of options and subcommands.
 *
 *     source <(tmail completion bash)
 *
 * The scripts call nothing but the shell's own functions, so that a completion costs no start of a program.
 */
import { EX, UserError } from '../core/errors.ts';
import type { OptionRow, ParsedLine } from './command-line.ts';
import { COMMON_OPTIONS, MAILX_OPTIONS } from './mailx-options.ts';
import type { Invocation } from './services.ts';
import { printText } from './stdio.ts';
import { SUBCOMMANDS, type Subcommand } from './subcommands.ts';

/** An option taken apart: `-s, --subject <subject>`. */
interface OptionParts {
  readonly short: string | undefined;
  readonly long: string | undefined;
  /** Name of the value, or undefined when there is none. */
  readonly value: string | undefined;
  readonly row: OptionRow;
}

const HELP_OPTION: OptionRow = { flags: '-h, --help', help: 'say how it is used' };

export function optionParts(row: OptionRow): OptionParts {
  const words = row.flags.split(/[ ,]+/);
  return {
    short: words.find((word) => /^-[^-]$/.test(word)),
    long: words.find((word) => word.startsWith('--')),
    value: /<([^>]+)>/.exec(row.flags)?.[1],
    row,
  };
}

function visibleOptions(rows: readonly OptionRow[]): OptionParts[] {
  return [...rows, HELP_OPTION].filter((row) => !row.hidden).map(optionParts);
}

function optionsOf(subcommand: Subcommand): OptionParts[] {
  return visibleOptions([...subcommand.options, ...COMMON_OPTIONS]);
}

function flagsOf(options: readonly OptionParts[]): string[] {
  return options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bashCompletes(what: Subcommand['completes'] | OptionRow['value']): string {
  if (what === 'file') return '_tmail_files -f';
  if (what === 'folder') return '_tmail_files -d';
  if (what === 'user') return '_tmail_words "$(compgen -u)"';
  return typeof what === 'object' ? `_tmail_words ${quote(what.join(' '))}` : ':';
}

/** A case for each option that takes a value: what may stand there. */
function bashValues(options: readonly OptionParts[]): string[] {
  return options
    .filter(({ value }) => value !== undefined)
    .map((option) => `      ${flagsOf([option]).map(quote).join('|')}) ${bashCompletes(option.row.value)}; return ;;`);
}

function bashScript(): string {
  const main = visibleOptions(MAILX_OPTIONS);
  const cases = SUBCOMMANDS.flatMap((subcommand) => [
    `    ${subcommand.name})`,
    '      case $prev in',
    ...bashValues(optionsOf(subcommand)).map((line) => `  ${line}`),
    '      esac',
    `      if [[ $cur == -* ]]; then _tmail_words ${quote(flagsOf(optionsOf(subcommand)).join(' '))}`,
    `      else ${bashCompletes(subcommand.completes)}; fi`,
    '      return ;;',
  ]);
  return `# Completion of tmail for bash, made by \`tmail completion bash\`.
_tmail_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_tmail_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}
_tmail() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} first='' i=1 file=''
  COMPREPLY=()
  # A subcommand is the first word behind --root and --config; bash makes three words of --root=DIR.
  while ((i < COMP_CWORD)); do
    case \${COMP_WORDS[i]} in
      --root | --config) if [[ \${COMP_WORDS[i + 1]-} == = ]]; then ((i += 3)); else ((i += 2)); fi ;;
      *) first=\${COMP_WORDS[i]}; break ;;
    esac
  done
  if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  case $first in
${cases.join('\n')}
  esac
  case $prev in
${bashValues(main).join('\n')}
  esac
  for i in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $i in -f | -[!-]*f) file=yes ;; esac
  done
  if [[ $cur == -* ]]; then _tmail_words ${quote(flagsOf(main).join(' '))}
  elif [[ $file ]]; then _tmail_files -f
  elif [[ $first ]]; then _tmail_words "$(compgen -u)"
  else _tmail_words "${SUBCOMMANDS.map(({ name }) => name).join(' ')} $(compgen -u)"; fi
}
complete -F _tmail tmail
`;
}

const ZSH_VALUES: Readonly<Record<string, string>> = { file: '_files', folder: '_files -/', user: '_users' };

function zshOption({ short, long, value, row }: OptionParts): string {
  const text = row.help.replace(/[[\]:]/g, '\\$&');
  const rest = value === undefined ? '' : `:${value}:${ZSH_VALUES[row.value ?? ''] ?? ''}`;
  const star = row.many ? '*' : '';
  const names = [short, long].filter((flag) => flag !== undefined);
  if (names.length === 1 || row.many) return names.map((name) => quote(`${star}${name}[${text}]${rest}`)).join(' ');
  return `'(${names.join(' ')})'{${names.join(',')}}${quote(`[${text}]${rest}`)}`;
}

function zshCompletes(what: Subcommand['completes']): string {
  if (typeof what === 'object') return quote(`*: :(${what.join(' ')})`);
  return quote(`*: :${ZSH_VALUES[what] ?? ''}`);
}

function zshScript(): string {
  const cases = SUBCOMMANDS.map(
    (subcommand) =>
      `    ${subcommand.name}) _arguments -s ${optionsOf(subcommand).map(zshOption).join(' ')} ${zshCompletes(subcommand.completes)}; return ;;`,
  );
  const names = SUBCOMMANDS.map(({ name, summary }) => quote(`${name}:${summary}`)).join(' ');
  return `#compdef tmail
# Completion of tmail for zsh, made by \`tmail completion zsh\`.
_tmail_operands() {
  if (( \${words[(I)-f]} )); then _files; return; fi
  local -a subcommands=(${names})
  (( CURRENT == 2 )) && _describe subcommand subcommands
  _users
}
_tmail() {
  local first=2
  while [[ \${words[first]} == --(root|config)* ]]; do
    [[ \${words[first]} == *=* ]] && (( first += 1 )) || (( first += 2 ))
  done
  if (( first < CURRENT )); then
    case \${words[first]} in
${cases.map((line) => line.replace(/^ {4}/, '      ').replace('_arguments', 'shift $((first - 1)) words; (( CURRENT -= first - 1 )); _arguments')).join('\n')}
    esac
  fi
  _arguments -s ${visibleOptions(MAILX_OPTIONS).map(zshOption).join(' ')} '*: :_tmail_operands'
}
if [[ $funcstack[1] == _tmail ]]; then _tmail "$@"; else compdef _tmail tmail; fi
`;
}

const FISH_VALUES: Readonly<Record<string, string>> = {
  file: '-r',
  folder: "-xa '(__fish_complete_directories)'",
  user: "-xa '(__fish_complete_users)'",
  none: '-x',
};

function fishOption(condition: string, { short, long, value, row }: OptionParts): string {
  if (long?.includes('=')) return `complete -c tmail -n ${quote(condition)} -a ${quote(long)} -d ${quote(row.help)}`;
  const names = [short && `-s ${quote(short.slice(1))}`, long && `-l ${long.slice(2)}`].filter(Boolean).join(' ');
  const rest = value === undefined ? '' : ` ${FISH_VALUES[row.value ?? 'none']}`;
  return `complete -c tmail -n ${quote(condition)} ${names} -d ${quote(row.help)}${rest}`;
}

function fishCompletes(condition: string, what: Subcommand['completes']): string[] {
  const start = `complete -c tmail -n ${quote(condition)}`;
  if (what === 'file') return [`${start} -F`];
  if (what === 'user') return [`${start} -a '(__fish_complete_users)'`];
  return typeof what === 'object' ? [`${start} -a ${quote(what.join(' '))}`] : [];
}

function fishScript(): string {
  const lines = ['# Completion of tmail for fish, made by `tmail completion fish`.', 'complete -c tmail -f'];
  const names = SUBCOMMANDS.map(({ name }) => name).join(' ');
  const alone = `not __fish_seen_subcommand_from ${names}`;
  for (const { name, summary } of SUBCOMMANDS) {
    lines.push(`complete -c tmail -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`);
  }
  lines.push(...visibleOptions(MAILX_OPTIONS).map((option) => fishOption(alone, option)));
  lines.push(`complete -c tmail -n ${quote(`${alone}; and __fish_contains_opt -s f`)} -F`);
  lines.push(...fishCompletes(alone, 'user'));
  for (const subcommand of SUBCOMMANDS) {
    const condition = `__fish_seen_subcommand_from ${subcommand.name}`;
    lines.push(...optionsOf(subcommand).map((option) => fishOption(condition, option)));
    lines.push(...fishCompletes(condition, subcommand.completes));
  }
  return `${lines.join('\n')}\n`;
}

/** By the name of the shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export async function run(_invocation: Invocation, { operands }: ParsedLine): Promise<number> {
  const script = COMPLETION_SCRIPTS[operands[0] ?? ''];
  if (script === undefined || operands.length !== 1) {
    throw new UserError('for which shell? tmail completion bash, zsh or fish', EX.usage);
  }
  return printText(script());
}
