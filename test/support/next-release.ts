/** A checkout of a later release, for tests of upgrades: this one, with the next version of a chart. */
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOP } from '../../control-plane/src/templates.ts';

/** What a control plane without a portal runs from. */
const NEEDED = [
  'package.json',
  'bootstrap',
  'clusters',
  'control-plane',
  'policies',
  'templates/charts',
  'templates/engines',
  'templates/manifests',
];

export type Release = {
  /** To be removed by the caller. */
  readonly top: string;
  /** Of the chart, before and now. */
  readonly before: string;
  readonly version: string;
};

/** In the new version every pod asks for a little more: none of the former ones stays. */
export async function makeNextRelease(type: string): Promise<Release> {
  const top = await mkdtemp(join(tmpdir(), 'shopyard-next-release-'));
  for (const path of NEEDED) await cp(join(TOP, path), join(top, path), { recursive: true });
  await symlink(join(TOP, 'node_modules'), join(top, 'node_modules'));
  const chart = join(top, 'templates/charts', type);
  const { before, version } = await raiseVersion(join(chart, 'Chart.yaml'));
  const plans = join(chart, 'plans.yaml');
  const text = await readFile(plans, 'utf8');
  await writeFile(plans, text.replace(/requests: \{ cpu: (\d+)0m/g, 'requests: { cpu: $11m'));
  const values = join(top, 'templates/engines', type, 'values');
  await cp(`${values}.yaml.hbs`, `${values}-${before}.yaml.hbs`);
  return { top, before, version };
}

async function raiseVersion(file: string): Promise<{ before: string; version: string }> {
  const text = await readFile(file, 'utf8');
  const line = /^version: (\d+)\.(\d+)\.(\d+)$/m.exec(text);
  if (line === null) throw new Error(`${file} has no version.`);
  const [whole, major = '', minor = '', patch = ''] = line;
  const version = `${major}.${Number(minor) + 1}.0`;
  await writeFile(file, text.replace(whole, `version: ${version}`));
  return { before: `${major}.${minor}.${patch}`, version };
}
