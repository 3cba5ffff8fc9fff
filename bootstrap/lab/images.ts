/**
 * Builds container images without a daemon or a registry, keeps them in the cache as archives, and
 * puts them into the lab's containerd.
 *
 * Builds use a storage of their own in the cache, so the machine's images are neither seen nor
 * touched. An archive is written under a temporary name and renamed: one that is there is whole.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { removeAbandonedBuilds } from './build.ts';
import { runCommand, tryCommand } from './command.ts';
import { writePrivateJson } from './connection.ts';
import { withDownloads } from './downloads.ts';
import {
  archiveName,
  findImagesToBuild,
  leftOut,
  planImages,
  readImageSource,
  readImageSources,
  type PlannedImage,
} from './image-sources.ts';
import type { LabLayout } from './layout.ts';
import type { LabPaths } from './paths.ts';
import { startProgress } from './progress.ts';

const baseImageFolder = join(import.meta.dirname, 'base-images');
const productImageFolder = join(import.meta.dirname, '..', '..', 'templates', 'images');
const pauseFolder = join(import.meta.dirname, 'pause');

/** Label by which a stored base image is known to be made from the sources as they are now. */
const keyLabel = 'dev.shopyard.key';

async function planAllImages(env: NodeJS.ProcessEnv): Promise<PlannedImage[]> {
  const sources = await readImageSources([baseImageFolder, productImageFolder], env);
  return planImages([await readImageSource(pauseFolder, env), ...sources]);
}

function archivePath(paths: LabPaths, image: PlannedImage): string {
  return join(paths.images, archiveName(image));
}

/**
 * Builds every image that the cluster runs and the cache does not have. Returns all images, as
 * their sources were when it looked: those are the ones to import, whatever is edited meanwhile.
 */
export async function buildImages(
  paths: LabPaths,
  env: NodeJS.ProcessEnv,
): Promise<readonly PlannedImage[]> {
  const planned = await planAllImages(env);
  await buildMissing(paths, planned, env);
  return planned;
}

/**
 * The same for one more image, made upon the base images from a folder like theirs: for what is not
 * needed whenever the lab comes up.
 */
export async function buildOneImage(
  paths: LabPaths,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<PlannedImage> {
  const bases = await readImageSources([baseImageFolder], env);
  const planned = planImages([...bases, await readImageSource(folder, env)]);
  await buildMissing(paths, planned, env);
  const image = planned.find(({ runs }) => runs);
  if (image === undefined) throw new Error(`${folder} makes no image that a cluster runs`);
  return image;
}

async function buildMissing(
  paths: LabPaths,
  planned: readonly PlannedImage[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const isArchived = (image: PlannedImage): boolean => existsSync(archivePath(paths, image));
  if (planned.every((image) => !image.runs || isArchived(image))) return;
  await mkdir(paths.images, { recursive: true });
  await removeAbandonedBuilds(paths.images);
  const stored = await readStoredKeys(paths, planned);
  const toBuild = findImagesToBuild(planned, isArchived, (image) => {
    return stored.get(image.image) === image.key;
  });
  for (const [index, image] of toBuild.entries()) {
    const progress = startProgress(
      `[${index + 1}/${toBuild.length}] image ${image.image}`,
      'usually under a minute, the largest takes a few',
    );
    try {
      const { note } = progress;
      await withDownloads(() => buildImage(paths, image, env, note), { note });
      progress.end('built');
    } catch (error) {
      progress.end('failed');
      throw error;
    }
  }
}

function buildah(paths: LabPaths, args: readonly string[]): readonly [string, string[]] {
  const storage = join(paths.images, 'storage');
  return ['buildah', ['--root', join(storage, 'root'), '--runroot', join(storage, 'run'), ...args]];
}

async function readStoredKeys(
  paths: LabPaths,
  planned: readonly PlannedImage[],
): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  const format = `{{index .OCIv1.Config.Labels "${keyLabel}"}}`;
  for (const { image } of planned) {
    const inspect = buildah(paths, ['inspect', '--type', 'image', '--format', format, image]);
    const result = await tryCommand(...inspect);
    if (result.status === 0) keys.set(image, result.stdout.trim());
  }
  return keys;
}

async function buildImage(
  paths: LabPaths,
  image: PlannedImage,
  env: NodeJS.ProcessEnv,
  note: (text: string) => void,
): Promise<void> {
  const work = join(paths.images, `.building-${image.key}-${process.pid}`);
  await rm(work, { recursive: true, force: true });
  const context = join(work, 'context');
  try {
    await mkdir(work, { recursive: true });
    await cp(image.folder, context, {
      recursive: true,
      filter: (path) => !leftOut.has(basename(path)),
    });
    const checksums: string[] = [];
    for (const archive of image.archives) {
      await mkdir(join(context, 'archives'), { recursive: true });
      await cp(archive.path, join(context, 'archives', archive.file));
      const expected = env[`${archive.setting}_SHA256`];
      if (expected !== undefined) {
        checksums.push('--build-arg', `${archive.setting}_SHA256=${expected}`);
      }
    }
    const buildEnv = { ...env, TMPDIR: work };
    if (image.hasPrepare) {
      note('preparing');
      await runCommand('nice', ['-n', '10', join(context, 'prepare.sh'), context], {
        env: buildEnv,
      });
    }
    note('building');
    const bud = [
      ...['bud', '--isolation', 'chroot', '--pull-never', '--layers', '--format', 'oci'],
      ...['--label', `${keyLabel}=${image.key}`, ...checksums, ...certificates(env)],
      ...['--tag', image.image, context],
    ];
    const [program, args] = buildah(paths, bud);
    await runCommand('nice', ['-n', '10', program, ...args], { env: buildEnv });
    if (!image.runs) return;
    note('writing the archive');
    const archive = join(work, 'image.tar');
    const destination = `oci-archive:${archive}:${image.image}`;
    const push = ['push', '--quiet', '--disable-compression', image.image, destination];
    await runCommand(...buildah(paths, push), { env: buildEnv });
    await rename(archive, archivePath(paths, image));
    await removeOldArchives(paths, image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Where the network has certificates of its own, builds that fetch over TLS are given them, as a
 * secret: they are there while a command runs and not in the image.
 */
function certificates(env: NodeJS.ProcessEnv): string[] {
  const bundle = env.NODE_EXTRA_CA_CERTS;
  return bundle === undefined || bundle === '' ? [] : ['--secret', `id=certificates,src=${bundle}`];
}

/** Of one image, as many archives stay: enough to change between two checkouts. */
const archivesKept = 3;

async function removeOldArchives(paths: LabPaths, image: PlannedImage): Promise<void> {
  const ofImage = archiveName(image).replace(`${image.key}.oci.tar`, '');
  const archives = await Promise.all(
    (await readdir(paths.images))
      .filter((name) => name.startsWith(ofImage) && name.endsWith('.oci.tar'))
      .map(async (name) => {
        const path = join(paths.images, name);
        return { path, written: (await stat(path)).mtimeMs };
      }),
  );
  archives.sort((one, other) => other.written - one.written);
  for (const { path } of archives.slice(archivesKept)) await rm(path, { force: true });
}

/** Puts the images that clusters run into the lab's containerd; those it has already are skipped. */
export async function importImages(
  paths: LabPaths,
  layout: LabLayout,
  images: readonly PlannedImage[],
): Promise<void> {
  const ctr = ['--address', layout.containerdSocket, '--namespace', 'k8s.io', 'images'];
  const present = new Set((await runCommand('ctr', [...ctr, 'list', '--quiet'])).split('\n'));
  const imported = await readImported(layout);
  for (const image of images) {
    if (!image.runs) continue;
    const archive = archiveName(image);
    if (imported[image.image] === archive && present.has(image.image)) continue;
    await runCommand('ctr', [...ctr, 'import', archivePath(paths, image)]);
    imported[image.image] = archive;
    await writePrivateJson(layout.importedImages, imported);
  }
}

async function readImported(layout: LabLayout): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(layout.importedImages, 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}
