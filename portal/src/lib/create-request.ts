import { readOptions } from './option-fields.ts';

/** What a filled-in form asks the API for: the same on the server and in the browser. */
export function readCreateRequest(fields: Readonly<Record<string, string>>) {
  const pick = (name: string) => {
    const value = fields[name] ?? '';
    return value === '' ? {} : { [name]: value };
  };
  const type = fields['type'] ?? '';
  const options = readOptions(fields, type);
  return {
    name: fields['name'] ?? '',
    type,
    ...pick('plan'),
    ...pick('cluster'),
    ...pick('domain'),
    ...pick('tenant'),
    ...(Object.keys(options).length === 0 ? {} : { options }),
  };
}
