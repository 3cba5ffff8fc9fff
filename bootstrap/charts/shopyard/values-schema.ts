/**
 * What values.schema.json says of settings, secrets and clusters: what the control plane's own descriptions of them
 * say, so that a wrong value is refused before anything is installed. Pure; the chart's test holds the file to it.
 */
import { z } from 'zod';
import { ClusterEntry } from '../../../control-plane/src/clusters.ts';
import { Environment, OF_ONE_CLUSTER, SECRET_SETTINGS } from '../../../control-plane/src/config.ts';

/** Those that hold a secret: the chart names where each is. */
export const SECRETS: readonly string[] = SECRET_SETTINGS;

/** Those that follow from how the chart lays things out. */
export const MADE_BY_THE_CHART: readonly string[] = [
  'HOST',
  'PORT',
  'SHOPYARD_API_URL',
  'SHOPYARD_CLUSTERS',
  'SHOPYARD_DATA_DIR',
  'SHOPYARD_FORGE_HOST',
  'SHOPYARD_FORGE_PORT',
];

type Schema = Readonly<Record<string, unknown>>;

/** Every setting that values may name, by its name. */
export function describeSettings(): Readonly<Record<'settings' | 'secrets' | 'clusters', Schema>> {
  const all = describe(Environment).properties as Readonly<Record<string, Schema>>;
  const left = new Set<string>([...SECRETS, ...MADE_BY_THE_CHART, ...OF_ONE_CLUSTER]);
  const settings = Object.entries(all).filter(([name]) => !left.has(name));
  const secrets = SECRETS.map((name): [string, Schema] => {
    const { description } = all[name] ?? {};
    const place = { $ref: '#/definitions/secret' };
    return [name, description === undefined ? place : { description, allOf: [place] }];
  });
  const { $schema: _, ...entry } = describe(ClusterEntry);
  return {
    settings: describeObject(
      'Settings of the control plane, by their own names',
      settings,
      'SHOPYARD_PUBLIC_URL',
    ),
    secrets: describeObject(
      'Where secrets are, by the names of their settings',
      secrets,
      'DATABASE_URL',
      'SHOPYARD_AUTH_SECRET',
      'SHOPYARD_PORTAL_SECRET',
    ),
    clusters: {
      description: 'The clusters that stores live on, as clusters/several.yaml has them',
      type: 'array',
      minItems: 1,
      items: entry,
    },
  };
}

function describeObject(
  description: string,
  properties: readonly (readonly [string, Schema])[],
  ...required: string[]
): Schema {
  return {
    description,
    type: 'object',
    additionalProperties: false,
    required,
    properties: Object.fromEntries(properties),
  };
}

/** Helm reads patterns as Go does, which cannot look ahead; the control plane reads them all. */
function describe(type: z.ZodType): Schema {
  return z.toJSONSchema(type, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern?.includes('(?') === true) delete jsonSchema.pattern;
    },
  });
}
