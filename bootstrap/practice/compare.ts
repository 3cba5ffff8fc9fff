/**
 * What an Application asks for at a commit, or why Argo CD would not render it: the project's
 * permission, the folder or chart, the values file, the chart's `values.schema.json`. Messages are
 * those of real Argo CD (test/observer/fixtures), where the control plane reads them.
 */
import { Ajv } from 'ajv';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { TreeReader } from '../../control-plane/src/git/types.ts';
import type { Application, Project } from './application.ts';
import { releaseSchema, type Release } from './release.ts';
import type { Snapshot } from './repository.ts';
import type { KubeObject } from './table.ts';

/** `print` is the same as long as the commit changes nothing for this Application. */
export type Target =
  | {
      readonly kind: 'folder';
      readonly revision: string;
      readonly print: string;
      readonly manifests: readonly KubeObject[];
    }
  | {
      readonly kind: 'chart';
      readonly revision: string;
      readonly print: string;
      readonly release: Release;
    };

export type Comparison =
  | { readonly ok: true; readonly target: Target }
  | {
      readonly ok: false;
      readonly type: 'ComparisonError' | 'InvalidSpecError';
      readonly message: string;
    };

const LOADING = 'Failed to load target state: failed to generate manifest for source 1 of 1: ';
const UNKNOWN = 'rpc error: code = Unknown desc = ';

const fail = (message: string): Comparison => ({
  ok: false,
  type: 'ComparisonError',
  message: `${LOADING}${UNKNOWN}${message}`,
});
const deny = (message: string): Comparison => ({ ok: false, type: 'InvalidSpecError', message });

/** An Application whose repository cannot be reached. */
export const failUnreachable = (problem: string): Comparison =>
  fail(`failed to list refs: ${problem}`);

/** Whether the project lets the Application be; null: it does. */
export function checkProject(app: Application, project: Project | null): Comparison | null {
  const { source, destination } = app.spec;
  if (project === null)
    return deny(`Application referencing project ${app.spec.project} which does not exist`);
  const { name } = project.metadata;
  if (!project.spec.sourceRepos.some((allowed) => matches(source.repoURL, allowed)))
    return deny(`application repo ${source.repoURL} is not permitted in project '${name}'`);
  const isAllowed = project.spec.destinations.some(
    (allowed) =>
      matches(destination.server, allowed.server) &&
      matches(destination.namespace, allowed.namespace),
  );
  return isAllowed
    ? null
    : deny(
        `application destination server '${destination.server}' and namespace '${destination.namespace}' do not match any of the allowed destinations in project '${name}'`,
      );
}

/** A glob with `*`, the only wildcard that our projects use. */
function matches(text: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
}

/** Renders Applications; keeps what it read of a folder or values file as long as that is the same. */
export function createRenderer(): (app: Application, snapshot: Snapshot) => Promise<Comparison> {
  const known = new Map<string, Comparison>();
  const ajv = new Ajv({ strict: false, allErrors: true });

  const renderFolder = async (app: Application, tree: TreeReader): Promise<Comparison> => {
    const { path, directory } = app.spec.source;
    const manifests: KubeObject[] = [];
    const walk = async (folder: string): Promise<string | null> => {
      for (const { name, kind } of (await tree.list(folder)) ?? []) {
        const file = `${folder}/${name}`;
        if (kind === 'folder' && directory?.recurse === true) {
          const problem = await walk(file);
          if (problem !== null) return problem;
        }
        if (kind !== 'file' || !/\.(ya?ml|json)$/.test(name)) continue;
        for (const document of parseAllDocuments(await readText(tree, file))) {
          // Nothing but comments: Argo CD passes over it, too.
          if (document.contents === null && document.errors.length === 0) continue;
          const manifest = manifestSchema.safeParse(document.toJS());
          if (document.errors.length > 0 || !manifest.success)
            return `failed to unmarshal "${name}": ${document.errors[0]?.message ?? 'Object "Kind" is missing'}`;
          manifests.push(manifest.data);
        }
      }
      return null;
    };
    const problem = await walk(path);
    return problem === null
      ? { ok: true, target: { kind: 'folder', revision: '', print: '', manifests } }
      : fail(`Manifest generation error (cached): ${problem}`);
  };

  const renderChart = async (
    app: Application,
    tree: TreeReader,
    valuesFile: string,
  ): Promise<Comparison> => {
    const { path, helm } = app.spec.source;
    const failHelm = (reason: string): Comparison =>
      fail(
        `failed to execute helm template command: failed running helm: \`helm template . --name-template ${helm?.releaseName ?? app.metadata.name} --namespace ${app.spec.destination.namespace} --values <path to cached source>${valuesFile} --include-crds\` failed exit status 1: Error: ${reason}`,
      );
    if (!(await tree.exists(valuesFile.slice(1))))
      return failHelm(`open <path to cached source>${valuesFile}: no such file or directory`);
    const chart = chartSchema.safeParse(parse(await readText(tree, `${path}/Chart.yaml`)));
    if (!chart.success) return failHelm('validation: chart.metadata.name is required');
    const { name, annotations } = chart.data;
    const given = values.parse(parse(await readText(tree, valuesFile.slice(1))) ?? {});
    const own = values.parse(parse(await readText(tree, `${path}/values.yaml`)) ?? {});
    const merged = merge(own, given);
    const schema = await readText(tree, `${path}/values.schema.json`);
    if (schema !== '' && !ajv.validate(JSON.parse(schema) as object, merged)) {
      const problems = (ajv.errors ?? []).map(
        (error) => `- at '${error.instancePath}': ${error.message ?? error.keyword}`,
      );
      return failHelm(
        `values don't meet the specifications of the schema(s) in the following chart(s):\n${name}:\n${problems.join('\n')}`,
      );
    }
    const release = releaseSchema.safeParse({
      chart: name,
      values: merged,
      available: Object.values(own.images ?? {}),
      apiKeys: (annotations['shopyard.dev/store-api'] ?? '').split(' ').filter(Boolean),
      plans: parse(await readText(tree, `${path}/plans.yaml`)) as unknown,
      outline: parse(await readText(tree, `${path}/outline.yaml`)) as unknown,
    });
    if (!release.success)
      return fail(
        `the practice cluster cannot play ${path}, which needs an outline.yaml: ${z.prettifyError(release.error)}`,
      );
    return {
      ok: true,
      target: { kind: 'chart', revision: '', print: '', release: release.data },
    };
  };

  return async (app, { tree, tip }) => {
    const { path, helm } = app.spec.source;
    const oid = await tree.oid(path);
    if (oid === null) return fail(`${path}: app path does not exist`);
    const [valuesFile] = helm?.valueFiles ?? [];
    const print = [
      path,
      oid,
      ...(valuesFile === undefined ? [] : [valuesFile, await tree.oid(valuesFile.slice(1))]),
    ].join(' ');
    let comparison = known.get(print);
    if (comparison === undefined) {
      comparison =
        valuesFile === undefined
          ? await renderFolder(app, tree)
          : await renderChart(app, tree, valuesFile);
      if (known.size > 1_000) known.clear();
      known.set(print, comparison);
    }
    return comparison.ok
      ? { ok: true, target: { ...comparison.target, revision: tip, print } }
      : comparison;
  };
}

const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
const chartSchema = z.object({
  name: z.string(),
  version: z.string(),
  annotations: z.record(z.string(), z.string()).default({}),
});
const values = z.record(z.string(), z.unknown());
type Values = z.infer<typeof values>;

async function readText(tree: TreeReader, path: string): Promise<string> {
  return Buffer.from((await tree.read(path)) ?? []).toString('utf8');
}

/** As Helm does: objects are merged, everything else is replaced. */
function merge(base: Values, over: Values): Values {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const [inner, outer] = [values.safeParse(merged[key]), values.safeParse(value)];
    merged[key] = inner.success && outer.success ? merge(inner.data, outer.data) : value;
  }
  return merged;
}
