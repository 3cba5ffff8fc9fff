/** What a forge's addresses are made of: `https://forge.example.com/<prefix>/<owner>/<name>.git`. */

export type RepositoryAddress = {
  /** The forge itself, without a slash at its end. */
  readonly forge: string;
  readonly owner: string;
  readonly name: string;
  /** Where people look at the repository. */
  readonly page: string;
};

/** null: the address names no repository of an owner. */
export function parseRepositoryAddress(url: string): RepositoryAddress | null {
  const parsed = URL.parse(url);
  const path = parsed?.pathname.replace(/\/+$/, '').replace(/\.git$/, '');
  const segments = path?.split('/').filter((segment) => segment !== '') ?? [];
  const name = segments.pop();
  const owner = segments.pop();
  if (parsed === null || name === undefined || owner === undefined) return null;
  const forge = [parsed.origin, ...segments].join('/');
  try {
    return {
      forge,
      owner: decodeURIComponent(owner),
      name: decodeURIComponent(name),
      page: `${forge}/${owner}/${name}`,
    };
  } catch {
    // A percent sign that begins nothing.
    return null;
  }
}
