/** Commands as data: the same list is printed by a dry run and carried out. No I/O. */

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** For its standard input: text, or what a file holds, once it is known to be that file. */
  readonly input?: string | { readonly file: string; readonly sha256: string };
  /** Said instead of the input where that is a secret. */
  readonly hidden?: string;
}

/** Commands under one heading. */
export interface Step {
  readonly title: string;
  readonly commands: readonly Command[];
}

export const run = (program: string, ...args: string[]): Command => ({ program, args });

/** The steps as a shell would be given them. */
export function printSteps(steps: readonly Step[]): string {
  return steps
    .map(({ title, commands }) => [`# ${title}`, ...commands.map(printCommand), ''].join('\n'))
    .join('\n');
}

function printCommand({ program, args, input, hidden }: Command): string {
  const line = [program, ...args].map(quote).join(' ');
  if (hidden !== undefined) return `${line} <<< (not shown: ${hidden})`;
  if (input === undefined) return line;
  if (typeof input !== 'string')
    return `${line} < ${quote(input.file)} # once its SHA-256 is ${input.sha256}`;
  return `${line} <<'END'\n${input.trimEnd()}\nEND`;
}

function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
