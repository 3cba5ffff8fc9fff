/**
 * The control plane's image as the lab can build it: a folder like those of the lab's other images. What the
 * Dockerfile's first stages make is taken from the checkout, as it is installed and built there, so that no package is
 * fetched; the last stage is the Dockerfile's own. The same checkout gives the same bytes, and so the same image.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../lab/command.ts';
import { layOut, renderLastStage } from './layout.ts';

/** Its name in the lab, which is the one that the chart has when nobody says otherwise. */
export const IMAGE = { name: 'control-plane', version: '0.1.0' } as const;

const ARCHIVE = 'image.tar';

/** Makes `folder` an image folder of the checkout at `top`, whose packages are installed and whose portal is built. */
export async function packImage(top: string, folder: string): Promise<void> {
  const content = join(folder, '.content');
  await mkdir(content, { recursive: true });
  await layOut(top, content);
  const archive = join(folder, ARCHIVE);
  await runCommand('tar', [
    ...['--create', `--file=${archive}`, `--directory=${content}`, '--sort=name', '--mtime=@0'],
    ...['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX', '.'],
  ]);
  await rm(content, { recursive: true });
  const dockerfile = await readFile(join(top, 'bootstrap/image/Dockerfile'), 'utf8');
  await writeFile(join(folder, 'Dockerfile'), renderLastStage(dockerfile, ARCHIVE));
  const [, base = ''] = /^ARG BASE=(\S+)$/m.exec(dockerfile) ?? [];
  await writeFile(join(folder, 'image.json'), JSON.stringify({ ...IMAGE, needs: [base] }));
}
