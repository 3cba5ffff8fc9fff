/**
 * Builds the programs the lab is made of, those that the cache does not have.
 *
 * A build happens in a temporary folder of the cache and is renamed into place at its end, so a
 * folder with a program's key is always a whole build, whatever interrupted the one before. Two
 * builds at once are harmless: the second rename finds the first one's result and keeps it.
 */
import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runCommand, tryCommand } from './command.ts';
import { withDownloads } from './downloads.ts';
import { unmountAll } from './network.ts';
import type { LabPaths } from './paths.ts';
import { programKey, programs, renderGoMod, type ProgramRecipe } from './programs.ts';
import { startProgress } from './progress.ts';
import { minimumGo } from './versions.ts';

/** Folder of a program in the cache, built or not. */
export function programFolder(paths: LabPaths, recipe: ProgramRecipe): string {
  return join(paths.bin, programKey(recipe));
}

/** Builds every program that is missing; says what it does, and nothing when all are there. */
export async function buildPrograms(paths: LabPaths): Promise<void> {
  const missing = programs.filter((recipe) => !existsSync(programFolder(paths, recipe)));
  if (missing.length === 0) return;
  await requireGo();
  const minutes = missing.reduce((sum, recipe) => sum + recipe.typicalMinutes, 0);
  console.log(
    `Building ${missing.length} of ${programs.length} programs from Go modules into ${paths.bin}: ` +
      `about ${minutes} minutes on two cores, once.`,
  );
  for (const [index, recipe] of missing.entries()) {
    const progress = startProgress(
      `[${index + 1}/${missing.length}] ${recipe.name} ${recipe.version}`,
      `usually ${recipe.typicalMinutes} min`,
    );
    try {
      await buildProgram(paths, recipe, progress.note);
      progress.end('built');
    } catch (error) {
      progress.end('failed');
      throw error;
    }
  }
}

async function buildProgram(
  paths: LabPaths,
  recipe: ProgramRecipe,
  note: (text: string) => void,
): Promise<void> {
  const started = Date.now();
  const key = programKey(recipe);
  await mkdir(paths.bin, { recursive: true });
  await removeAbandonedBuilds(paths.bin);
  const work = join(paths.bin, `.building-${key}-${process.pid}`);
  const out = join(work, 'out');
  const source = join(work, 'source');
  await mkdir(out, { recursive: true });
  await mkdir(source);
  // Its own caches, proxies and toolchain settings are the person's; only what changes the
  // outcome is set here.
  const env = {
    ...process.env,
    CGO_ENABLED: recipe.cgo === true ? '1' : '0',
    GOFLAGS: '-mod=mod -buildvcs=false',
    GOWORK: 'off',
  };

  let compiled = 0;
  const countPackages = (line: string): void => {
    if (line.startsWith('go: downloading')) note(line.slice('go: '.length));
    else if (/^[\w.-]+(\/[\w.~-]+)*$/.test(line)) note(`${++compiled} packages compiled`);
  };
  const go = async (args: readonly string[], extra: NodeJS.ProcessEnv = {}): Promise<string> =>
    withDownloads(
      () =>
        runCommand('nice', ['-n', '10', 'go', ...args], {
          cwd: source,
          env: { ...env, ...extra },
          onErrorLine: countPackages,
        }),
      { note },
    );

  note('downloading');
  const reference = `${recipe.module}@v${recipe.version}`;
  const download = JSON.parse(await go(['mod', 'download', '-json', reference])) as {
    readonly GoMod: string;
    readonly Dir: string;
  };
  const tags = recipe.tags === undefined ? [] : ['-tags', recipe.tags.join(',')];
  const flags = ['-v', '-trimpath', ...tags, '-ldflags', recipe.ldflags];
  if (recipe.way === 'install') {
    await go(
      ['install', ...flags, ...recipe.packages.map((path) => `${path}@v${recipe.version}`)],
      {
        GOBIN: out,
      },
    );
  } else {
    const goMod = renderGoMod(recipe, await readFile(download.GoMod, 'utf8'));
    await writeFile(join(source, 'go.mod'), goMod);
    await go(['mod', 'tidy']);
    const target = recipe.output === undefined ? `${out}/` : join(out, recipe.output);
    await go(['build', ...flags, '-o', target, ...recipe.packages]);
  }
  for (const link of recipe.links ?? [])
    await symlink(recipe.output ?? recipe.name, join(out, link));
  for (const file of recipe.files ?? []) {
    const copy = join(out, basename(file.from));
    await cp(join(download.Dir, file.from), copy);
    await chmod(copy, file.executable ? 0o755 : 0o644); // the module cache is read-only
  }
  for (const folder of recipe.folders ?? []) {
    await cp(join(download.Dir, folder), join(out, folder), { recursive: true });
  }
  const stamp = { key, module: reference, seconds: Math.round((Date.now() - started) / 1000) };
  await writeFile(join(out, 'stamp.json'), JSON.stringify(stamp, null, 2) + '\n');
  await putInPlace(out, join(paths.bin, key));
  await rm(work, { recursive: true, force: true });
}

/** Renames a finished build to its name; when another build was faster, that one stays. */
export async function putInPlace(built: string, place: string): Promise<void> {
  try {
    await rename(built, place);
  } catch (error) {
    if (!existsSync(place)) throw error;
  }
}

/** Removes what interrupted builds left in a folder of the cache; one whose process lives is not. */
export async function removeAbandonedBuilds(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^\.building-.*-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const abandoned = join(folder, name);
    await unmountAll(abandoned); // an image build that was killed may leave the machine's own folders mounted
    await rm(abandoned, { recursive: true, force: true });
  }
}

async function requireGo(): Promise<void> {
  const result = await tryCommand('go', ['env', 'GOVERSION']).catch(() => undefined);
  const found = result?.stdout.trim().replace(/^go/, '');
  if (found === undefined || found === '') {
    throw new Error(
      `Go ${minimumGo} or later is needed to build the lab; there is no go on the PATH.`,
    );
  }
  if (found.localeCompare(minimumGo, 'en', { numeric: true }) < 0) {
    throw new Error(
      `Go ${minimumGo} or later is needed to build the lab; the one here is ${found}.`,
    );
  }
}
