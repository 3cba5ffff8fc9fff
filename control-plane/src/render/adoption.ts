/**
 * Whether a person's edit of a store's files says something that a request could have asked for: the
 * files are read as settings, rendered again, and must come to what the person wrote. Pure.
 */
import type { OptionValue, StoreOptions } from '../domain/options.ts';
import type { StoreSpec } from '../domain/store.ts';
import type { FileChange } from '../git/types.ts';
import { readStoreFile } from './store-file.ts';
import { parseYaml } from './template.ts';

export type EditedFile = {
  readonly path: string;
  /** What a person left there; null: nothing. */
  readonly theirs: string | null;
  /** Whether there was a file of ours. */
  readonly isOurs: boolean;
};

export type Adoption =
  | { readonly ok: true; readonly settings: Pick<StoreSpec, 'plan' | 'options' | 'host' | 'url'> }
  /** Why not, by path. */
  | { readonly ok: false; readonly why: ReadonlyMap<string, string> };

/**
 * @param spec the store as its files said before
 * @param render its files for other settings
 */
export function readAdoption(
  spec: StoreSpec,
  edited: readonly EditedFile[],
  render: (spec: StoreSpec) => readonly FileChange[],
): Adoption {
  const why = new Map<string, string>();
  let wanted = spec;
  // The intent file has the last word: it is read last.
  for (const { path, theirs, isOurs } of edited.toSorted((a, b) => rank(a.path) - rank(b.path))) {
    if (theirs === null) why.set(path, 'A removed file is put back by a repair.');
    else if (!isOurs) why.set(path, 'This is no file of a store.');
    else
      try {
        wanted = { ...wanted, ...readSettings(path, theirs) };
      } catch (error) {
        why.set(path, error instanceof Error ? error.message : String(error));
      }
  }
  if (why.size === 0) {
    const files = new Map(render(wanted).map(({ path, content }) => [path, content]));
    for (const { path, theirs } of edited) {
      const content = files.get(path);
      if (content === undefined) {
        why.set(path, 'This is no file of the store any more.');
        continue;
      }
      const ours = parseYaml(path, String(content));
      const differing = findDifference(ours, parseYaml(path, theirs ?? ''), '');
      if (differing !== null) why.set(path, `${differing} is not for a store’s settings to say.`);
    }
  }
  if (why.size > 0) return { ok: false, why };
  const { plan, options, host, url } = wanted;
  return { ok: true, settings: { plan, options, host, url } };
}

function rank(path: string): number {
  return path.endsWith('/store.yaml') ? 1 : 0;
}

/** What of a file a request could have asked for; throws when it cannot be read. */
function readSettings(path: string, text: string): Partial<StoreSpec> {
  if (path.endsWith('/store.yaml')) {
    const read = readStoreFile(text);
    if (!read.ok) throw new Error(`It cannot be read: ${read.why}.`);
    const { plan, options, host, url } = read.spec;
    return { plan, options, host, url };
  }
  const value = parseYaml(path, text);
  if (!isMapping(value)) throw new Error('It holds no mapping.');
  const { plan, options } = value;
  return {
    ...(typeof plan === 'string' ? { plan } : {}),
    ...(isMapping(options) ? { options: readOptions(options) } : {}),
  };
}

/** Those that an option can have; of what else is there the files will differ. */
function readOptions(options: Readonly<Record<string, unknown>>): StoreOptions {
  return Object.fromEntries(
    Object.entries(options).filter(
      (entry): entry is [string, OptionValue] =>
        typeof entry[1] === 'string' || typeof entry[1] === 'boolean',
    ),
  );
}

/** The first place where two documents differ; null: they say the same. */
function findDifference(one: unknown, other: unknown, at: string): string | null {
  if (!isMapping(one) || !isMapping(other))
    return JSON.stringify(one) === JSON.stringify(other) ? null : at === '' ? 'It' : at;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = findDifference(one[key], other[key], at === '' ? key : `${at}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
