/**
 * Reads the control plane's Dockerfile, and lays a folder out as its last stage does, with the packages that its
 * `npm ci` leaves: what the image holds can be tried where no image can be built, and the lab builds one of it.
 */
import { cpSync, existsSync } from 'node:fs';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

/** One COPY from the checkout. */
export interface Copy {
  readonly from: readonly string[];
  readonly to: string;
}

/** The COPYs from the checkout, by stage; the last stage is the image. */
export function readStages(dockerfile: string): Copy[][] {
  const stages: Copy[][] = [];
  for (const line of dockerfile.split('\n')) {
    const [instruction, ...words] = line.trim().split(/\s+/);
    if (instruction === 'FROM') stages.push([]);
    if (instruction !== 'COPY' || words[0]?.startsWith('--from') === true) continue;
    stages.at(-1)?.push({ from: words.slice(0, -1), to: words.at(-1) ?? '' });
  }
  return stages;
}

/** Whether a path of the checkout is part of the build context, as `.dockerignore` says: the last rule that fits wins. */
export function isInContext(ignore: string, path: string): boolean {
  const rules = ignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const above = path.split('/').map((_, index, names) => names.slice(0, index + 1).join('/'));
  return rules.reduce((isIn, rule) => {
    const pattern = rule.replace(/^!/, '');
    return above.some((one) => fits(one, pattern)) ? rule.startsWith('!') : isIn;
  }, true);
}

/** As a builder matches: a star is anything but a slash, names that begin with a dot included. */
function fits(path: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(.*/)?'));
  return new RegExp(`^${source}$`).test(path);
}

/** The last stage by itself, with an archive of a folder that is laid out in place of all that it copies. */
export function renderLastStage(dockerfile: string, archive: string): string {
  const lines = dockerfile.split('\n');
  const base = lines.filter((line) => line.startsWith('ARG BASE='));
  const stage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  const first = stage.findIndex((line) => line.startsWith('COPY '));
  const rest = stage.slice(first).filter((line) => !line.startsWith('COPY '));
  return [...base, ...stage.slice(0, first), `ADD ${archive} ./`, ...rest].join('\n');
}

/** Copies into `into` what the last stage copies from the checkout at `top`, and the packages. */
export async function layOut(top: string, into: string): Promise<void> {
  const image = readStages(await readFile(join(top, 'bootstrap/image/Dockerfile'), 'utf8')).at(-1);
  const ignore = await readFile(join(top, '.dockerignore'), 'utf8');
  for (const { from, to } of image ?? [])
    for (const path of from) {
      const isFolder = path.endsWith('/');
      await cp(join(top, path), join(into, to, isFolder ? '' : basename(path)), {
        recursive: true,
        filter: (source) => isInContext(ignore, relative(top, source)),
      });
    }
  await placePackages(top, into);
  const portal = join(top, 'portal/build');
  if (existsSync(portal)) await cp(portal, join(into, 'portal/build'), { recursive: true });
}

interface LockedPackage {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly link?: boolean;
  readonly resolved?: string;
}

/** Those that `npm ci --omit=dev --omit=optional` installs. */
async function placePackages(top: string, into: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(top, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  for (const [path, one] of Object.entries(lock.packages)) {
    if (!path.startsWith('node_modules/')) continue;
    if (one.dev === true || one.optional === true || one.devOptional === true) continue;
    const place = join(into, path);
    await mkdir(dirname(place), { recursive: true });
    if (one.link === true) {
      await symlink(relative(dirname(place), join(into, one.resolved ?? '')), place);
      continue;
    }
    // Packages within it are entries of their own. Without a filter a copy is many times as fast.
    const from = join(top, path);
    const inner = join(from, 'node_modules');
    if (existsSync(inner))
      await cp(from, place, { recursive: true, filter: (one) => one !== inner });
    else cpSync(from, place, { recursive: true });
  }
}
