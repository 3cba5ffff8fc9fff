/**
 * Builds the images and, if asked, pushes them (templates/images/README.md). A version in a registry
 * is never replaced: shops run it. What is there and was made from the same sources is left alone.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { TOP } from '../../control-plane/src/templates.ts';
import { endCommandsWithProcess, runCommand, tryCommand } from '../lab/command.ts';
import { startProgress } from '../lab/progress.ts';
import { printSteps, type Command } from '../steps.ts';
import {
  builders,
  findDigest,
  isRegistry,
  planBill,
  planBuild,
  planScan,
  type Builder,
  type ImageToBuild,
} from './plan.ts';
import { readOwnImage, readShopImages } from './sources.ts';

const USAGE = `Usage: npm run images -- [--push <registry>] [--only <name>]... [--with docker|buildah]
                     [--no-bill] [--dry-run]

  --push <registry>  such as registry.example.com/shopyard; sign in there first (docker login)
  --only <name>      such as redis; else all, and control-plane
  --no-bill          no list of what is in each image: else the program syft makes it, and grype,
                     where it is there, looks for known holes in it
  --dry-run          prints every command and runs none`;

/** A sentence for the person who ran it; no stack. */
class ImageProblem extends Error {}

type Pushed = { readonly image: string; readonly digest: string; readonly bill: string | null };

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      push: { type: 'string' },
      only: { type: 'string', multiple: true },
      with: { type: 'string' },
      'no-bill': { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const registry = values.push ?? null;
  if (registry !== null && !isRegistry(registry))
    throw new ImageProblem(
      `--push takes a registry and a folder in it, such as registry.example.com/shopyard; “${registry}” is none.`,
    );
  const isDry = values['dry-run'];
  const builder = chooseBuilder(values.with, isDry);
  const images = await chooseImages(registry, values.only);
  const folder = join(TOP, '.artefacts', 'images');
  const billOf = (image: string): string | null =>
    values['no-bill'] ? null : join(folder, `${basename(image).replace(':', '-')}.cdx.json`);
  if (isDry) {
    console.log(printSteps(images.map((image) => planAll(builder, image, registry, billOf))));
    return;
  }
  if (registry !== null) requirePushable(images, values['no-bill']);
  await mkdir(folder, { recursive: true });
  const pushed: Pushed[] = [];
  for (const image of images) {
    const there = registry === null ? null : await findPushed(builder, image);
    if (there === null) await build(builder, image, registry !== null);
    if (registry === null) continue;
    const digest = there ?? (await readDigest(builder, image.image));
    const bill = billOf(image.image);
    if (bill !== null) {
      await carryOut(planBill(`${nameOf(image.image)}@${digest}`, bill));
      if (isInstalled('grype')) await carryOut(planScan(bill));
    }
    pushed.push({ image: image.image, digest, bill });
  }
  if (registry !== null) await report(pushed, registry, folder);
}

function chooseBuilder(wanted: string | undefined, isDry: boolean): Builder {
  if (wanted !== undefined && wanted !== 'docker' && wanted !== 'buildah')
    throw new ImageProblem(`--with takes docker or buildah; “${wanted}” is neither.`);
  if (wanted !== undefined) return builders[wanted];
  const found = (['docker', 'buildah'] as const).find(isInstalled);
  if (found === undefined && !isDry)
    throw new ImageProblem('Images are built by docker or buildah, and neither is here.');
  return builders[found ?? 'docker'];
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((one) => existsSync(join(one, program)));
}

async function chooseImages(
  registry: string | null,
  only: readonly string[] | undefined,
): Promise<ImageToBuild[]> {
  const all = [await readOwnImage(), ...(await readShopImages(process.env))];
  const shortName = ({ image }: ImageToBuild): string => basename(nameOf(image));
  const names = all.map(shortName);
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new ImageProblem(
      `--only ${unknown}: there is no such image; there are ${names.join(', ')}.`,
    );
  return all
    .filter((image) => only?.includes(shortName(image)) ?? true)
    .map((image) =>
      registry === null ? image : { ...image, image: `${registry}/${basename(image.image)}` },
    );
}

/** Everything that might be run for one image: what the registry has decides. */
function planAll(
  builder: Builder,
  image: ImageToBuild,
  registry: string | null,
  billOf: (image: string) => string | null,
) {
  const bill = billOf(image.image);
  const build = planBuild(builder, image, contexts(), certificates());
  const commands =
    registry === null
      ? build
      : [
          ...[builder.pull(image.image), builder.readSources(image.image), ...build],
          ...[builder.push(image.image), builder.pull(image.image)],
          builder.readDigest(image.image),
          ...(bill === null
            ? []
            : [planBill(`${nameOf(image.image)}@<digest>`, bill), planScan(bill)]),
        ];
  return { title: image.image, commands };
}

function requirePushable(images: readonly ImageToBuild[], hasNoBill: boolean): void {
  const changed = images.find(({ sources }) => sources?.endsWith('-changed'));
  if (changed !== undefined)
    throw new ImageProblem(
      `${basename(changed.image)} is made from a commit, and the work tree has changes: commit them, or leave it out with --only.`,
    );
  if (!hasNoBill && !isInstalled('syft'))
    throw new ImageProblem(
      'The program syft lists what is in each image, and is not here (https://github.com/anchore/syft has it); --no-bill goes without.',
    );
}

/** The digest of what the registry has under this version; null: nothing. */
async function findPushed(builder: Builder, { image, sources }: ImageToBuild) {
  const { program, args } = builder.pull(image);
  // Also when the registry does not answer: then the push says so.
  if ((await tryCommand(program, args)).status !== 0) return null;
  const label = (await ask(builder.readSources(image))).trim();
  if (label !== sources)
    throw new ImageProblem(
      `${image} is in the registry already, made from other sources. A version is never replaced, because shops run it: give this one a new version, in its image.json (and in the chart that names it) or in package.json.`,
    );
  console.log(`${image} is there already, made from the same sources.`);
  return readDigest(builder, image);
}

async function build(builder: Builder, image: ImageToBuild, isPushed: boolean): Promise<void> {
  const progress = startProgress(image.image, 'the first time may take minutes');
  try {
    for (const command of planBuild(builder, image, contexts(), certificates())) {
      progress.note(`${command.program} ${command.args[0] ?? ''}`);
      await carryOut(command);
    }
    if (isPushed) {
      progress.note('pushing');
      await carryOut(builder.push(image.image));
      await carryOut(builder.pull(image.image));
    }
    progress.end('done');
  } catch (error) {
    progress.end('failed');
    throw error;
  }
}

async function readDigest(builder: Builder, image: string): Promise<string> {
  const digest = findDigest(await ask(builder.readDigest(image)), image);
  if (digest === null)
    throw new ImageProblem(
      `${builder.name} does not say by which digest the registry has ${image}.`,
    );
  return digest;
}

async function report(pushed: readonly Pushed[], registry: string, folder: string): Promise<void> {
  const file = join(folder, 'pushed.json');
  await writeFile(file, `${JSON.stringify(pushed, null, 2)}\n`);
  const own = pushed.find(({ image }) => nameOf(image).endsWith('/control-plane'));
  console.log(
    [
      ...pushed.map(({ image, digest }) => `${image}@${digest}`),
      `Written to ${file}${pushed.some(({ bill }) => bill !== null) && !isInstalled('grype') ? '; not scanned: grype is not here' : ''}.`,
      `Shops take theirs from it with SHOPYARD_IMAGE_REGISTRY=${registry}.`,
      ...(own === undefined
        ? []
        : [
            `The control plane: helm … --set image.repository=${nameOf(own.image)} --set image.digest=${own.digest}`,
          ]),
    ].join('\n'),
  );
}

/** Without the tag; a registry's port is none. */
function nameOf(image: string): string {
  return image.slice(0, image.lastIndexOf(':'));
}

const contexts = (): string => join(TOP, '.artefacts', 'images', 'contexts');

function certificates(): string | undefined {
  const bundle = process.env.NODE_EXTRA_CA_CERTS ?? '';
  return bundle === '' ? undefined : bundle;
}

const BUILD_MS = 60 * 60_000;

async function carryOut({ program, args }: Command): Promise<void> {
  await runCommand(program, args, { timeout: BUILD_MS });
}

function ask({ program, args }: Command): Promise<string> {
  return runCommand(program, args, { timeout: 60_000 });
}

endCommandsWithProcess();
try {
  await main();
} catch (error) {
  const isUsage = error instanceof TypeError && 'code' in error;
  console.error(error instanceof Error ? error.message : error);
  if (isUsage) console.error(USAGE);
  process.exitCode = isUsage ? 2 : 1;
}
