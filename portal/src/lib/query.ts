/** Filters in a page's address. An empty filter is none. */

export type Query = '' | `?${string}`;

/** The named parts of an address that say something. */
export function readFilters<Name extends string>(
  url: URL,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const filters: Partial<Record<Name, string>> = {};
  for (const name of names) {
    const value = url.searchParams.get(name)?.trim() ?? '';
    if (value !== '') filters[name] = value;
  }
  return filters;
}

/** Filters as the end of an address; with some changed, or (null) taken off. */
export function writeQuery(
  filters: Readonly<Record<string, string | undefined>>,
  change: Readonly<Record<string, string | null>> = {},
): Query {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filters, ...change }))
    if (value !== undefined && value !== null && value !== '') query.set(name, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
