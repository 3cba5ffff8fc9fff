/**
 * Reads an engine's folder, `templates/engines/<type>/`: its card, its options and its way to its
 * shops. What is wrong in it is found here, at start, and nowhere later.
 */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { chooseOptions, completeOptions, type EngineOption } from './domain/options.ts';
import { PlatformError } from './errors.ts';
import type { ShopAdapter } from './orders/types.ts';

const described = {
  name: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'Lower-case letters, digits and underscores.'),
  label: z.string().min(1).max(60),
  help: z.string().max(300),
  change: z.enum(['always', 'never']),
  reason: z.string().min(1).max(300).nullable().default(null),
};

const OptionFile = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...described,
      kind: z.literal('choice'),
      /** Value → label, in the order of the form. */
      choices: z.record(z.string().min(1).max(64), z.string().min(1).max(100)),
      default: z.string(),
    }),
    z.strictObject({ ...described, kind: z.literal('flag'), default: z.boolean() }),
    z.strictObject({
      ...described,
      kind: z.literal('text'),
      pattern: z.string().optional(),
      max: z.number().int().min(1).max(200),
      default: z.string(),
    }),
  ])
  .refine((option) => (option.change === 'never') === (option.reason !== null), {
    message: 'A reason is needed where change is never, and only there.',
  });

const EngineFile = z.strictObject({
  title: z.string(),
  /** Among the engines on offer: the lowest comes first and is the one that is chosen already. */
  place: z.number().int(),
  chart: z.string(),
  summary: z.string(),
  /** Where its administration is, on the store's own address. */
  admin: z.string().startsWith('/'),
  /** What of a plan answers visitors: a plan's card adds up their processors and memory. */
  serving: z.array(z.string()).min(1),
  options: z.array(OptionFile).default([]),
  /** Versions of the chart that no store goes back across, and why. */
  irreversible: z
    .record(z.string().regex(/^\d+\.\d+\.\d+$/), z.string().min(1).max(300))
    .default({}),
});

export type EngineFolder = Omit<z.infer<typeof EngineFile>, 'options'> & {
  readonly options: readonly EngineOption[];
  /** null: the engine's shops tell of no orders. */
  readonly adapter: ShopAdapter | null;
};

/** Throws PlatformError `engine_malformed` with the file and everything that is wrong in it. */
export async function readEngineFolder(folder: string): Promise<EngineFolder> {
  const file = join(folder, 'engine.yaml');
  const parsed = EngineFile.safeParse(parse(await readFile(file, 'utf8')));
  if (!parsed.success) throw malformed(file, z.prettifyError(parsed.error));
  const options = parsed.data.options.map(readOption);
  const names = options.map(({ name }) => name);
  if (new Set(names).size < names.length) throw malformed(file, 'two options of one name.');
  const checked = chooseOptions(options, completeOptions(options, {}));
  if (!checked.ok)
    throw malformed(
      file,
      checked.errors.map(({ field, message }) => `the default of ${field}: ${message}`).join(' '),
    );
  return { ...parsed.data, options, adapter: await loadAdapter(join(folder, 'shop.ts')) };
}

function readOption(option: z.infer<typeof OptionFile>): EngineOption {
  switch (option.kind) {
    case 'choice':
      return {
        ...option,
        choices: Object.entries(option.choices).map(([value, label]) => ({ value, label })),
      };
    case 'flag':
      return option;
    case 'text': {
      const { pattern, ...rest } = option;
      return {
        ...rest,
        pattern: pattern === undefined ? null : new RegExp(`^(?:${pattern})$`, 'u'),
      };
    }
  }
}

async function loadAdapter(file: string): Promise<ShopAdapter | null> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (!exists) return null;
  const loaded = (await import(pathToFileURL(file).href)) as { readonly shop?: unknown };
  if (!isAdapter(loaded.shop))
    throw malformed(file, 'it exports no `shop` with listOrders and placeTestOrder.');
  return loaded.shop;
}

function isAdapter(value: unknown): value is ShopAdapter {
  return (
    value !== null &&
    typeof value === 'object' &&
    'listOrders' in value &&
    typeof value.listOrders === 'function' &&
    'placeTestOrder' in value &&
    typeof value.placeTestOrder === 'function'
  );
}

function malformed(file: string, what: string): PlatformError {
  return new PlatformError('engine_malformed', `${file}: ${what}`);
}
