/**
 * What a control plane is made of. All of it runs in one process, or each part in processes of its
 * own, as many of a kind as wanted, on one Postgres and one cluster repository.
 */
import { parseArgs } from 'node:util';
import { describeError } from '../errors.ts';

/** In the order in which a process starts its parts. */
export const PARTS = ['forge', 'writer', 'observer', 'portal', 'api'] as const;

export type Part = (typeof PARTS)[number];
export type Parts = ReadonlySet<Part>;

export const ALL_PARTS: Parts = new Set(PARTS);

/** What each does, for people. */
const SUMMARIES: Readonly<Record<Part, string>> = {
  api: 'the HTTP API with its event streams; records what is asked for',
  writer: 'turns what was recorded into commits; one at a time, another takes over',
  observer: 'watches the cluster and keeps the stores’ status; one at a time, another takes over',
  portal: 'the pages, which ask the API',
  forge: 'the embedded git server',
};

/** Whether everything runs here: such a process may bring what others must be given. */
export function isWhole(parts: Parts): boolean {
  return parts.size === PARTS.length;
}

export type PartsResult =
  { readonly ok: true; readonly parts: Parts } | { readonly ok: false; readonly message: string };

/** Reads `--role`, given several times or as a list with commas; without it all parts. */
export function readParts(args: readonly string[]): PartsResult {
  let names: string[];
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { role: { type: 'string', multiple: true } },
    });
    names = (values.role ?? ['all']).flatMap((one) => one.split(',')).map((one) => one.trim());
  } catch (error) {
    return { ok: false, message: `${describeError(error)}\n\n${describeUsage()}` };
  }
  const unknown = names.find((name) => name !== 'all' && !isPart(name));
  if (unknown !== undefined)
    return { ok: false, message: `There is no role “${unknown}”.\n\n${describeUsage()}` };
  return { ok: true, parts: names.includes('all') ? ALL_PARTS : new Set(names.filter(isPart)) };
}

function isPart(name: string): name is Part {
  return (PARTS as readonly string[]).includes(name);
}

function describeUsage(): string {
  const rows = Object.entries({ ...SUMMARIES, all: 'everything in one process: the default' });
  return [
    'npm start -- --role <role>[,<role>…]',
    '',
    ...rows.map(([name, summary]) => `  ${name.padEnd(9)} ${summary}`),
  ].join('\n');
}
