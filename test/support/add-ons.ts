/** Every add-on of a cluster, on, for tests. */
import { parseAllDocuments } from 'yaml';
import { AddOns } from '../../control-plane/src/domain/add-ons.ts';
import { loadMonitoring } from '../../control-plane/src/monitoring.ts';
import { renderAddOns, type AddOnCluster } from '../../control-plane/src/render/add-ons.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import {
  applicationSchema,
  projectSchema,
  type Application,
  type Project,
} from '../../bootstrap/practice/application.ts';
import type { Manifest } from '../../templates/charts/render-chart.ts';
import { exampleCluster } from './example-cluster.ts';

const s3 = { endpoint: 'https://s3.example.com', bucket: 'shop-backups' };
export const EVERY_ADD_ON = {
  certManager: { email: 'ops@example.com', dns01: 'cloudflare' },
  externalDns: { provider: 'digitalocean' },
  middlewares: {},
  metricsServer: { kubeletInsecureTls: true },
  prometheus: {},
  grafana: {},
  logs: {},
  velero: { s3, volumes: true },
  externalSecrets: {},
  cloudnativePg: {},
} as const;

const parts = { sources: (await loadTemplates()).sources, monitoring: await loadMonitoring() };
const address = { repositoryUrl: 'https://git.example.com/shops/cluster.git', branch: 'main' };

/** An add-on as it is written: its root file, read, and what is in its folder. */
export type RenderedAddOn = {
  readonly name: string;
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly project: Project;
  readonly applications: readonly Application[];
  readonly manifests: readonly Manifest[];
};

/** @param platform as a cluster's file has it */
export function renderExample(platform: unknown): RenderedAddOn[] {
  const { values, ...example } = exampleCluster('main');
  const cluster: AddOnCluster = {
    ...{ ...example, baseDomain: 'shops.example.com', platform: AddOns.parse(platform) },
    values: {
      ...values,
      tlsSecret: 'shops-tls',
      backup: { ...values.backup, target: 's3', s3: { ...s3, secretName: 'backup-s3' } },
    },
  };
  return renderAddOns(parts, address, cluster).map(({ addOn, files }) => {
    const written = files.flatMap(({ path, content }) =>
      typeof content === 'string' ? [{ path, content }] : [],
    );
    const [root, ...folder] = written.map(({ content }) =>
      parseAllDocuments(content).map((document): unknown => document.toJS() as unknown),
    );
    const [project, ...applications] = root ?? [];
    return {
      name: addOn,
      files: written,
      project: projectSchema.parse(project),
      applications: applications.map((one) => applicationSchema.parse(one)),
      manifests: folder.flat() as Manifest[],
    };
  });
}
