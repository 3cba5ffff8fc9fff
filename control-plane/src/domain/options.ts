/**
 * An engine's options: what a shop of it can be told, from a list that the engine's folder gives.
 * A store has a value for every one of them, so that its files can be rendered from the store alone.
 * Pure.
 */
import type { FieldError } from './request.ts';

type Described = {
  readonly name: string;
  readonly label: string;
  /** One sentence for the form. */
  readonly help: string;
  /** never: decided when the store is made. */
  readonly change: 'always' | 'never';
  /** Why it never changes, and what to do instead; null when it may. */
  readonly reason: string | null;
};

export type EngineOption = Described &
  (
    | {
        readonly kind: 'choice';
        readonly choices: readonly { readonly value: string; readonly label: string }[];
        readonly default: string;
      }
    | { readonly kind: 'flag'; readonly default: boolean }
    | {
        readonly kind: 'text';
        /** Of the whole text; null: any. */
        readonly pattern: RegExp | null;
        /** Characters at most. */
        readonly max: number;
        readonly default: string;
      }
  );

export type OptionValue = string | boolean;
export type StoreOptions = Readonly<Record<string, OptionValue>>;

type Refused = { readonly ok: false; readonly errors: readonly FieldError[] };

/** A new store's options: what was asked for, and the engine's defaults. */
export function chooseOptions(
  list: readonly EngineOption[],
  asked: StoreOptions,
): { readonly ok: true; readonly options: StoreOptions } | Refused {
  const errors = checkOptions(list, asked);
  return errors.length > 0
    ? { ok: false, errors }
    : { ok: true, options: completeOptions(list, asked) };
}

/**
 * A standing store's options with some of them changed. What is as it was is never refused, even
 * when the engine no longer offers it.
 */
export function changeOptions(
  list: readonly EngineOption[],
  standing: StoreOptions,
  asked: StoreOptions,
):
  | {
      readonly ok: true;
      readonly options: StoreOptions;
      /** Names of those that differ now. */
      readonly changed: readonly string[];
    }
  | Refused {
  const complete = completeOptions(list, standing);
  const changed = Object.fromEntries(
    Object.entries(asked).filter(([name, value]) => complete[name] !== value),
  );
  const errors = checkOptions(list, changed);
  for (const { name, label, change, reason } of list)
    if (change === 'never' && changed[name] !== undefined)
      errors.push({
        field: `options.${name}`,
        message: `${label} is decided when the store is made. ${reason ?? ''}`.trimEnd(),
      });
  return errors.length > 0
    ? { ok: false, errors }
    : { ok: true, options: { ...complete, ...changed }, changed: Object.keys(changed) };
}

/** A value for each of the engine's options and for nothing else. */
export function completeOptions(list: readonly EngineOption[], given: StoreOptions): StoreOptions {
  return Object.fromEntries(
    list.map((option) => [option.name, readOption(given, option.name) ?? option.default]),
  );
}

/** The first option that both have and that differs; null: none. */
export function findDifference(one: StoreOptions, other: StoreOptions): string | null {
  const names = Object.keys(one).filter((name) => Object.hasOwn(other, name));
  return names.sort().find((name) => one[name] !== other[name]) ?? null;
}

/** `name=value` of each, for a record of what was asked for. */
export function writeOptions(options: StoreOptions): readonly string[] {
  return Object.entries(options).map(([name, value]) => `${name}=${value}`);
}

function checkOptions(list: readonly EngineOption[], asked: StoreOptions): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(asked)) {
    const option = list.find((one) => one.name === name);
    const message =
      option === undefined
        ? `No such option; there is ${list.map((one) => one.name).join(', ') || 'none'}.`
        : checkValue(option, value);
    if (message !== null) errors.push({ field: `options.${name}`, message });
  }
  return errors;
}

function checkValue(option: EngineOption, value: OptionValue): string | null {
  if (option.kind === 'flag') return typeof value === 'boolean' ? null : 'true or false.';
  if (typeof value !== 'string') return 'A text is needed.';
  if (option.kind === 'choice')
    return option.choices.some((choice) => choice.value === value)
      ? null
      : `Not on offer; there is ${option.choices.map((choice) => choice.value).join(', ')}.`;
  if (value.length > option.max) return `At most ${option.max} characters.`;
  return option.pattern?.test(value) === false ? option.help : null;
}

function readOption(options: StoreOptions, name: string): OptionValue | undefined {
  return Object.hasOwn(options, name) ? options[name] : undefined;
}
