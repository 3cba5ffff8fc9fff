/**
 * What `npm run images` runs, as data: how each builder makes an image, pushes it and tells of it.
 * No I/O. Kind builds with the same commands.
 */
import { join } from 'node:path';
import { run, type Command } from '../steps.ts';

/** An image of ours. */
export interface ImageToBuild {
  /** Registry, name and tag. */
  readonly image: string;
  /** Its build context, and what it is made by unless that is the context's own Dockerfile. */
  readonly folder: string;
  readonly dockerfile?: string;
  /** Copied into the context's folder `archives`. */
  readonly archives: readonly { readonly path: string; readonly file: string }[];
  /** `NAME=value`, for the checksums its Dockerfile asks for. */
  readonly buildArgs: readonly string[];
  /** Label by which one in a registry is known to be made from these sources. */
  readonly sources?: string;
}

export interface Builder {
  readonly name: 'docker' | 'buildah';
  /** The program and what comes before the flags that all share. */
  readonly build: readonly [string, ...string[]];
  /** Fetches what the registry has now. */
  pull(image: string): Command;
  push(image: string): Command;
  /** Prints the label `SOURCES`. */
  readSources(image: string): Command;
  /** Prints the digest that a registry gave it, last, after it was pulled. */
  readDigest(image: string): Command;
}

export const SOURCES = 'dev.shopyard.sources';

const label = (labels: string): string => `{{index ${labels} "${SOURCES}"}}`;

export const builders: Readonly<Record<Builder['name'], Builder>> = {
  docker: {
    name: 'docker',
    build: ['docker', 'build'],
    pull: (image) => run('docker', 'pull', '--quiet', image),
    push: (image) => run('docker', 'push', '--quiet', image),
    readSources: (image) =>
      run('docker', 'image', 'inspect', '--format', label('.Config.Labels'), image),
    readDigest: (image) =>
      run('docker', 'image', 'inspect', '--format', '{{join .RepoDigests "\\n"}}', image),
  },
  buildah: {
    name: 'buildah',
    build: ['buildah', 'bud', '--format', 'oci'],
    pull: (image) => run('buildah', 'pull', '--quiet', '--policy', 'always', image),
    push: (image) => run('buildah', 'push', '--quiet', image),
    readSources: (image) => inspectWithBuildah(image, label('.OCIv1.Config.Labels')),
    readDigest: (image) => inspectWithBuildah(image, '{{.FromImageDigest}}'),
  },
};

function inspectWithBuildah(image: string, format: string): Command {
  return run('buildah', 'inspect', '--type', 'image', '--format', format, image);
}

/**
 * @param contexts the folder for contexts that archives are put into
 * @param certificates a bundle for a network that reads TLS: a secret of the build, not in the image
 */
export function planBuild(
  builder: Builder,
  image: ImageToBuild,
  contexts: string,
  certificates?: string,
): Command[] {
  const isCopied = image.archives.length > 0;
  const context = isCopied ? join(contexts, image.image.replace(/[/:]/g, '-')) : image.folder;
  const [program, ...args] = builder.build;
  return [
    ...(isCopied
      ? [
          run('rm', '-rf', context),
          run('mkdir', '-p', contexts),
          run('cp', '-R', image.folder, context),
          ...image.archives.map(({ path, file }) =>
            run('cp', path, join(context, 'archives', file)),
          ),
        ]
      : []),
    run(
      program,
      ...args,
      ...['--tag', image.image],
      ...(image.dockerfile === undefined ? [] : ['--file', image.dockerfile]),
      ...(image.sources === undefined ? [] : ['--label', `${SOURCES}=${image.sources}`]),
      ...image.buildArgs.flatMap((one) => ['--build-arg', one]),
      ...(certificates === undefined ? [] : ['--secret', `id=certificates,src=${certificates}`]),
      context,
    ),
  ];
}

/** The list of what is in an image, as CycloneDX, of what the registry has. */
export function planBill(pushed: string, file: string): Command {
  return run('syft', 'scan', `registry:${pushed}`, '--quiet', '--output', `cyclonedx-json=${file}`);
}

/** Known holes in what the list names, as far as there is a mend: fails on a critical one. */
export function planScan(file: string): Command {
  return run('grype', `sbom:${file}`, '--quiet', '--only-fixed', '--fail-on', 'critical');
}

/** A registry and the folder in it: `registry.example.com/shopyard`. */
export function isRegistry(word: string): boolean {
  return /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/.test(
    word,
  );
}

/** Of what `readDigest` printed, the digest in this repository. */
export function findDigest(printed: string, image: string): string | null {
  const repository = image.slice(0, image.lastIndexOf(':'));
  for (const line of printed.trim().split(/\s+/)) {
    const [name, digest = name] = line.split('@');
    if (/^sha256:[0-9a-f]{64}$/.test(digest ?? '') && (name === digest || name === repository))
      return digest ?? null;
  }
  return null;
}
