/** The settings of the forge: which belong together, and what they come to. */
import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { describeError } from './errors.ts';
import { parseRepositoryAddress } from './forge/address.ts';
import type { ForgeKind } from './forge/types.ts';
import { isWhole, type Parts } from './parts/list.ts';

type Settings = Pick<
  Config,
  | 'SHOPYARD_FORGE'
  | 'SHOPYARD_FORGE_TOKEN'
  | 'SHOPYARD_FORGE_TOKEN_FILE'
  | 'SHOPYARD_FORGE_API_URL'
  | 'SHOPYARD_GITHUB_APP_ID'
  | 'SHOPYARD_GITHUB_APP_KEY_FILE'
  | 'SHOPYARD_GITHUB_APP_INSTALLATION_ID'
  | 'SHOPYARD_GITHUB_COMMITS'
> & { readonly SHOPYARD_REPOSITORY_URL?: string | undefined };

type Name = keyof Settings;

const NAMES: Readonly<Record<Exclude<ForgeKind, 'embedded'>, string>> = {
  gitea: 'Gitea',
  github: 'GitHub',
};

const TOKENS = ['SHOPYARD_FORGE_TOKEN', 'SHOPYARD_FORGE_TOKEN_FILE'] as const;
const APP = [
  'SHOPYARD_GITHUB_APP_ID',
  'SHOPYARD_GITHUB_APP_KEY_FILE',
  'SHOPYARD_GITHUB_APP_INSTALLATION_ID',
] as const;

/** What is wrong with them, each a sentence that begins with the setting's name. */
export function listForgeProblems(settings: Settings, parts: Parts): string[] {
  const kind = settings.SHOPYARD_FORGE;
  const isGiven = (name: Name): boolean => settings[name] !== undefined;
  const problems: string[] = [];
  if (kind !== 'github') {
    problems.push(
      ...APP.filter(isGiven).map((name) => `${name}: it is for SHOPYARD_FORGE=github only.`),
    );
    if (settings.SHOPYARD_GITHUB_COMMITS === 'api')
      problems.push('SHOPYARD_GITHUB_COMMITS: it is for SHOPYARD_FORGE=github only.');
  } else if (settings.SHOPYARD_GITHUB_COMMITS === 'api')
    problems.push('SHOPYARD_GITHUB_COMMITS: this release commits by push; leave it out.');
  if (kind === 'embedded')
    return [
      ...problems,
      ...[...TOKENS, 'SHOPYARD_FORGE_API_URL' as const]
        .filter(isGiven)
        .map((name) => `${name}: the embedded forge has none; set SHOPYARD_FORGE, too.`),
    ];
  if (parts.has('forge') && !isWhole(parts))
    problems.push(
      `SHOPYARD_FORGE: ${NAMES[kind]} keeps the repository; there is no git server to run.`,
    );
  const url = settings.SHOPYARD_REPOSITORY_URL;
  if (url === undefined || parseRepositoryAddress(url) === null)
    problems.push(
      `SHOPYARD_REPOSITORY_URL: name the repository at ${NAMES[kind]}, such as ` +
        'https://git.example.com/shops/cluster.git.',
    );
  if (parts.has('api') || parts.has('writer'))
    problems.push(...listCredentialProblems(settings, isGiven));
  return problems;
}

function listCredentialProblems(settings: Settings, isGiven: (name: Name) => boolean): string[] {
  const tokens = TOKENS.filter(isGiven);
  const app = APP.filter(isGiven);
  if (app.length > 0) {
    const [first, ...others] = APP;
    if (tokens.length > 0)
      return [`${tokens[0] ?? ''}: a GitHub App needs none; set one or the other.`];
    if (app.length < APP.length) return [`${first}: set it together with ${others.join(' and ')}.`];
    return listFileProblems('SHOPYARD_GITHUB_APP_KEY_FILE', settings.SHOPYARD_GITHUB_APP_KEY_FILE);
  }
  if (tokens.length === 0)
    return ['SHOPYARD_FORGE_TOKEN: give the token of our account, or SHOPYARD_FORGE_TOKEN_FILE.'];
  if (tokens.length === 2)
    return ['SHOPYARD_FORGE_TOKEN: SHOPYARD_FORGE_TOKEN_FILE is set as well; set one of them.'];
  return listFileProblems('SHOPYARD_FORGE_TOKEN_FILE', settings.SHOPYARD_FORGE_TOKEN_FILE);
}

function listFileProblems(name: Name, path: string | undefined): string[] {
  if (path === undefined) return [];
  try {
    return readFileSync(path, 'utf8').trim() === '' ? [`${name}: ${path} is empty.`] : [];
  } catch (error) {
    return [`${name}: ${describeError(error)}.`];
  }
}
