/** The images there are: those of templates/images, and the control plane's own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOP } from '../../control-plane/src/templates.ts';
import { runCommand } from '../lab/command.ts';
import { readImageSources } from '../lab/image-sources.ts';
import type { ImageToBuild } from './plan.ts';

/** What stores run, with the archives and checksums that the environment names. */
export async function readShopImages(env: NodeJS.ProcessEnv): Promise<ImageToBuild[]> {
  const sources = await readImageSources([join(TOP, 'templates/images')], env);
  return Promise.all(
    sources.map(async ({ image, folder, archives, sourceHash }) => {
      const dockerfile = await readFile(join(folder, 'Dockerfile'), 'utf8');
      const names = [...dockerfile.matchAll(/^ARG (\w+_SHA256)=/gm)].map(([, name = '']) => name);
      const buildArgs = names.flatMap((name) => {
        const value = env[name] ?? '';
        return value === '' ? [] : [`${name}=${value}`];
      });
      return { image, folder, archives, buildArgs, sources: sourceHash };
    }),
  );
}

/** The control plane's image is of a commit: what is not committed would be in it unseen. */
export async function readOwnImage(): Promise<ImageToBuild> {
  const { version } = JSON.parse(await readFile(join(TOP, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const git = (...args: string[]) => runCommand('git', ['-C', TOP, ...args]);
  const changed = (await git('status', '--porcelain')).trim();
  const tree = (await git('rev-parse', 'HEAD^{tree}')).trim();
  return {
    image: `localhost/shopyard/control-plane:${version}`,
    folder: TOP,
    dockerfile: join(TOP, 'bootstrap/image/Dockerfile'),
    archives: [],
    buildArgs: [],
    sources: changed === '' ? tree : `${tree}-changed`,
  };
}
