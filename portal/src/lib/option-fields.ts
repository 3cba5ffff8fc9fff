/**
 * An engine's options as fields of a form, and back. A field's name says whose it is and of which
 * kind, so that the fields alone tell what to ask the API for, with JavaScript and without.
 */
import type { EngineList } from './shapes.ts';

export type EngineOption = EngineList['engines'][number]['options'][number];
type OptionValues = Readonly<Record<string, string | boolean>>;

/** `option.<engine>.theme`, `flag.<engine>.autoscale` */
export function nameField(type: string, { name, kind }: Pick<EngineOption, 'name' | 'kind'>) {
  return `${kind === 'flag' ? 'flag' : 'option'}.${type}.${name}`;
}

/** What the fields hold to begin with: what was typed, else the store's own values, else defaults. */
export function fillFields(
  type: string,
  options: readonly EngineOption[],
  typed: Readonly<Record<string, string>> = {},
  values: OptionValues = {},
): Record<string, string> {
  return Object.fromEntries(
    options.map((option) => {
      const field = nameField(type, option);
      return [field, typed[field] ?? String(values[option.name] ?? option.default)];
    }),
  );
}

/** The options of one engine among a form's fields; empty when the form has none. */
export function readOptions(
  fields: Readonly<Record<string, string>>,
  type: string,
): Record<string, string | boolean> {
  const options: Record<string, string | boolean> = {};
  for (const [field, value] of Object.entries(fields)) {
    const [kind, owner, name] = field.split('.');
    if (owner !== type || name === undefined) continue;
    if (kind === 'option') options[name] = value;
    if (kind === 'flag') options[name] = value === 'true';
  }
  return options;
}
