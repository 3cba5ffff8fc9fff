/**
 * Holds manifests to the schemas of their kinds: Kubernetes' own, and the CustomResourceDefinitions of
 * Go modules. Those are taken from Go's cache, where the lab's build left most of them, else downloaded;
 * where neither is possible a sentence says so. A field that a schema does not have is a mistake.
 */
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { tryCommand } from '../../bootstrap/lab/command.ts';
import { versions } from '../../bootstrap/lab/versions.ts';

/** Without a network Go tries for long. */
const DOWNLOAD_MS = 120_000;

/** A module with definitions in a folder, or with Kubernetes' description of its API. */
export type SchemaSource = {
  readonly module: string;
  readonly version: string;
  readonly path: string;
};

export const KUBERNETES: SchemaSource = {
  module: 'k8s.io/kubernetes',
  version: `v${versions.kubernetes}`,
  path: 'api/openapi-spec/swagger.json',
};
export const ARGOCD: SchemaSource = {
  module: 'github.com/argoproj/argo-cd/v3',
  version: `v${versions.argocd}`,
  path: 'manifests/crds',
};
export const TRAEFIK: SchemaSource = {
  module: 'github.com/traefik/traefik/v3',
  version: `v${versions.traefik}`,
  path: 'docs/content/reference/dynamic-configuration',
};

/** Says what is wrong with a manifest; [] when nothing is. */
export type Check = (manifest: unknown) => readonly string[];

const Named = z.looseObject({ apiVersion: z.string(), kind: z.string() });
const Definition = z.looseObject({
  kind: z.literal('CustomResourceDefinition'),
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ kind: z.string() }),
    versions: z.array(
      z.looseObject({
        name: z.string(),
        schema: z.looseObject({ openAPIV3Schema: z.record(z.string(), z.unknown()) }),
      }),
    ),
  }),
});
const GroupVersionKind = z.looseObject({
  group: z.string(),
  version: z.string(),
  kind: z.string(),
});
const Swagger = z.looseObject({ definitions: z.record(z.string(), z.looseObject({})) });

/** The check of what these sources have, or why there is none. */
export async function openSchemas(sources: readonly SchemaSource[]): Promise<Check | string> {
  /** Made when first asked for: some take seconds. */
  const validators = new Map<string, () => ValidateFunction | undefined>();
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const source of sources) {
    const folder = await findModule(source);
    if (!folder.startsWith('/')) return folder;
    const path = join(folder, source.path);
    if (path.endsWith('.json')) {
      const { definitions } = Swagger.parse(JSON.parse(await readFile(path, 'utf8')));
      ajv.addSchema(close({ definitions }) as object, 'kubernetes');
      for (const [name, definition] of Object.entries(definitions))
        for (const of of z
          .array(GroupVersionKind)
          .parse(definition['x-kubernetes-group-version-kind'] ?? []))
          validators.set(keyOf(of), () => ajv.getSchema(`kubernetes#/definitions/${name}`));
      continue;
    }
    for (const file of (await readdir(path)).filter((name) => name.endsWith('.yaml')))
      for (const document of parseAllDocuments(await readFile(join(path, file), 'utf8'))) {
        const definition = Definition.safeParse(document.toJS()).data?.spec;
        for (const { name: version, schema } of definition?.versions ?? []) {
          const { group = '', names } = definition ?? {};
          const key = keyOf({ group, version, kind: names?.kind ?? '' });
          validators.set(key, () => ajv.compile(close(schema.openAPIV3Schema) as object));
        }
      }
  }
  return (manifest) => {
    const { apiVersion, kind } = Named.parse(manifest);
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const key = keyOf({ group, version, kind });
    const validate = validators.get(key)?.();
    if (validate === undefined) return [`no schema of ${apiVersion} ${kind}`];
    validators.set(key, () => validate);
    if (validate(manifest)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${kind}${instancePath}: ${message ?? ''} ${JSON.stringify(params)}`,
    );
  };
}

function keyOf({ group, version, kind }: z.infer<typeof GroupVersionKind>): string {
  return `${group}/${version}/${kind}`;
}

/** Where the module is, or why it is not. */
async function findModule({ module, version }: SchemaSource): Promise<string> {
  const wanted = `${module}@${version}`;
  const { status, stdout, stderr } = await tryCommand('go', ['mod', 'download', '-json', wanted], {
    cwd: tmpdir(),
    env: { ...process.env, GOFLAGS: '-mod=mod' },
    timeout: DOWNLOAD_MS,
  }).catch(() => ({ status: 1, stdout: '', stderr: 'Go is not installed.' }));
  if (status === 0) return z.looseObject({ Dir: z.string() }).parse(JSON.parse(stdout)).Dir;
  return `${wanted} is not to be had: ${`${stdout}${stderr}`.trim().slice(-300)}`;
}

/** An object whose fields are listed has no others, unless it says so. Go knows patterns that others do not. */
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close);
  if (schema === null || typeof schema !== 'object') return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, close(value)] as const);
  const closed: Record<string, unknown> = Object.fromEntries(entries);
  const { pattern } = closed;
  if (typeof pattern === 'string' && pattern.includes('(?i)')) delete closed['pattern'];
  const isOpen =
    'additionalProperties' in closed || closed['x-kubernetes-preserve-unknown-fields'] === true;
  const isListed = closed['type'] === 'object' && typeof closed['properties'] === 'object';
  return isListed && !isOpen ? { ...closed, additionalProperties: false } : closed;
}
