/**
 * What images there are and in which order they are built: reads the source folders, works out a
 * key for each image that covers everything it is made from, and a plan of what is missing.
 *
 * A folder is an image: `image.json`, `Dockerfile`, and `prepare.sh` if something has to be put
 * into the build context first. Base images (bootstrap/lab/base-images) stand in for images that
 * would otherwise come from a registry; product images (templates/images) are what clusters run.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';

export interface ArchiveSource {
  /** Environment variable that holds the archive's path. */
  readonly setting: string;
  /** Its name in the build context's folder `archives`. */
  readonly file: string;
  readonly path: string;
  readonly sha256: string;
}

export interface ImageSource {
  readonly folder: string;
  /** Full reference: registry, name and tag. */
  readonly image: string;
  /** References of the images its Dockerfile starts from. */
  readonly needs: readonly string[];
  readonly archives: readonly ArchiveSource[];
  readonly hasPrepare: boolean;
  /** Whether the cluster runs it, or it is only built upon. */
  readonly runs: boolean;
  /** Hash of its own sources and archives, not of what it needs. */
  readonly sourceHash: string;
}

export interface PlannedImage extends ImageSource {
  /** Hash of everything that decides what is in the image. */
  readonly key: string;
}

const registry = 'localhost/shopyard';

/** What is in an `image.json`. */
interface ImageDescription {
  readonly image?: string;
  readonly name?: string;
  readonly version?: string;
  readonly needs?: readonly string[];
  readonly archives?: readonly { readonly setting: string; readonly file: string }[];
}

/** What a developer's own builds leave in an image folder: part of neither its sources nor its key. */
export const leftOut: ReadonlySet<string> = new Set(['node_modules', '.medusa', '.next']);

/** Reads every image folder in the given folders. */
export async function readImageSources(
  folders: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ImageSource[]> {
  const sources: ImageSource[] = [];
  for (const parent of folders) {
    const names = (await readdir(parent).catch(() => [])).sort();
    for (const name of names) {
      const folder = join(parent, name);
      if (existsSync(join(folder, 'image.json'))) sources.push(await readImageSource(folder, env));
    }
  }
  return sources;
}

/** Reads one image folder. */
export async function readImageSource(
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<ImageSource> {
  const text = await readFile(join(folder, 'image.json'), 'utf8');
  const description = JSON.parse(text) as ImageDescription;
  const isBase = description.image !== undefined;
  if (!isBase && (description.name === undefined || description.version === undefined)) {
    throw new Error(`${join(folder, 'image.json')} has neither an image nor a name and a version`);
  }
  const image =
    description.image ?? `${registry}/${description.name ?? ''}:${description.version ?? ''}`;
  const archives: ArchiveSource[] = [];
  for (const { setting, file } of description.archives ?? []) {
    const path = env[setting];
    if (path === undefined || path === '') continue;
    if (!existsSync(path)) throw new Error(`${setting} names a file that is not there: ${path}`);
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    archives.push({ setting, file, path, sha256 });
  }
  return {
    folder,
    image,
    needs: description.needs ?? [],
    archives,
    hasPrepare: existsSync(join(folder, 'prepare.sh')),
    runs: !isBase,
    sourceHash: await hashSources(folder, archives),
  };
}

async function hashSources(folder: string, archives: readonly ArchiveSource[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of (await listFiles(folder)).sort()) {
    const content = await readFile(file);
    const executable = ((await stat(file)).mode & 0o100) !== 0;
    hash.update(`${relative(folder, file)}\0${executable ? 'x' : '-'}\0${content.length}\0`);
    hash.update(content);
  }
  for (const archive of archives) hash.update(`${archive.setting}\0${archive.sha256}\0`);
  return hash.digest('hex');
}

async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (leftOut.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await listFiles(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

/**
 * Orders images so that each comes after what it needs, and gives each its key, which covers the
 * keys of what it needs. Throws when an image needs one that no folder makes, or itself.
 */
export function planImages(sources: readonly ImageSource[]): PlannedImage[] {
  const byImage = new Map(sources.map((source) => [source.image, source]));
  const planned = new Map<string, PlannedImage>();
  const visit = (source: ImageSource, above: readonly string[]): PlannedImage => {
    const done = planned.get(source.image);
    if (done !== undefined) return done;
    if (above.includes(source.image)) {
      throw new Error(`images need each other: ${[...above, source.image].join(' → ')}`);
    }
    const hash = createHash('sha256').update(`${source.image}\0${source.sourceHash}\0`);
    for (const need of source.needs) {
      const needed = byImage.get(need);
      if (needed === undefined) {
        throw new Error(`${source.image} needs ${need}, which no image folder makes`);
      }
      hash.update(visit(needed, [...above, source.image]).key);
    }
    const plan = { ...source, key: hash.digest('hex').slice(0, 12) };
    planned.set(source.image, plan);
    return plan;
  };
  for (const source of sources) visit(source, []);
  return [...planned.values()];
}

/** File name of an image in the cache: `woocommerce-1.0.0-<key>.oci.tar`. */
export function archiveName(image: PlannedImage): string {
  return `${basename(image.image).replace(':', '-')}-${image.key}.oci.tar`;
}

/**
 * Which images must be built, in order: those the cluster runs that have no archive in the cache,
 * and of what they need, at any depth, what the build storage does not hold.
 */
export function findImagesToBuild(
  planned: readonly PlannedImage[],
  isArchived: (image: PlannedImage) => boolean,
  isStored: (image: PlannedImage) => boolean,
): PlannedImage[] {
  const byImage = new Map(planned.map((image) => [image.image, image]));
  const wanted = new Set<string>();
  const want = (image: PlannedImage): void => {
    if (wanted.has(image.image)) return;
    wanted.add(image.image);
    for (const need of image.needs) {
      const needed = byImage.get(need);
      if (needed !== undefined && !isStored(needed)) want(needed);
    }
  };
  for (const image of planned) if (image.runs && !isArchived(image)) want(image);
  return planned.filter((image) => wanted.has(image.image));
}
