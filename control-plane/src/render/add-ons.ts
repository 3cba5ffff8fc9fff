/**
 * A cluster's add-ons as files: `root/platform/<add-on>.yaml` has its AppProject and Applications,
 * `platform/<add-on>/` the manifests that are ours rather than a chart's. All are sealed (seal.ts).
 */
import { ADD_ONS, type AddOn, type AddOns } from '../domain/add-ons.ts';
import type { FileChange } from '../git/types.ts';
import { ARGOCD_NAMESPACE, type RepositoryAddress } from './cluster.ts';
import { pathOfAddOn, pathOfAddOnFolder } from './paths.ts';
import { sealFile } from './seal.ts';
import type { ClusterSettings } from './store.ts';
import { compileTemplate, writeYaml, type TemplateSources } from './template.ts';

/** Alert rules and dashboards, as Prometheus and Grafana read them. */
export type Monitoring = {
  readonly groups: readonly unknown[];
  readonly dashboards: readonly { readonly name: string; readonly content: string }[];
};

export type AddOnCluster = Pick<ClusterSettings, 'name' | 'baseDomain' | 'values'> & {
  readonly platform: AddOns;
};

const MONITORING_NAMESPACE = 'monitoring';

/** The files of every add-on that is on, one list each; of those that are off, the one that goes. */
export function renderAddOns(
  parts: { readonly sources: TemplateSources; readonly monitoring: Monitoring },
  address: RepositoryAddress,
  cluster: AddOnCluster,
): { readonly addOn: string; readonly files: FileChange[] }[] {
  const { platform, name } = cluster;
  const names = Object.keys(ADD_ONS) as AddOn[];
  const on = Object.fromEntries(names.map((one) => [one, platform[one] !== undefined]));
  return [
    ...names
      .filter((addOn) => on[addOn])
      .map((addOn) => ({
        addOn: ADD_ONS[addOn],
        files: renderAddOn(parts, addOn, {
          ...{ on, argocdNamespace: ARGOCD_NAMESPACE, cluster: name },
          ...describeSettings(addOn, cluster),
          repositoryUrl: address.repositoryUrl,
          targetRevision: `refs/heads/${address.branch}`,
          folder: pathOfAddOnFolder(name, ADD_ONS[addOn]),
        }),
      })),
    ...platform.off.map((addOn) => {
      const file = addOn === 'policies' ? addOn : ADD_ONS[addOn];
      return { addOn: file, files: [{ path: pathOfAddOn(name, file), content: null }] };
    }),
  ];
}

function renderAddOn(
  { sources, monitoring }: Parameters<typeof renderAddOns>[0],
  addOn: AddOn,
  data: Readonly<Record<string, unknown>> & { readonly cluster: string; readonly folder: string },
): FileChange[] {
  const name = ADD_ONS[addOn];
  const render = (template: string): string =>
    sealFile(compileTemplate(sources, `clusters/platform/${template}.yaml.hbs`)(data));
  const files = [{ path: pathOfAddOn(data.cluster, name), content: render(name) }];
  if (Object.hasOwn(sources, `clusters/platform/${name}.manifests.yaml.hbs`))
    files.push({
      path: `${data.folder}/manifests.yaml`,
      content: render(`${name}.manifests`),
    });
  if (addOn === 'prometheus')
    files.push({ path: `${data.folder}/rules.yaml`, content: renderRules(monitoring) });
  if (addOn === 'grafana')
    files.push(
      ...monitoring.dashboards.map((dashboard) => ({
        path: `${data.folder}/${dashboard.name}.yaml`,
        content: renderDashboard(dashboard),
      })),
    );
  return files;
}

/** What an add-on's templates name besides what all of them may. */
function describeSettings(
  addOn: AddOn,
  { platform, baseDomain, values }: AddOnCluster,
): Readonly<Record<string, unknown>> {
  switch (addOn) {
    case 'certManager': {
      const { acme, dns01, ...settings } = platform.certManager ?? {};
      return {
        ...{ ...settings, dns01, baseDomain, wildcard: `*.${baseDomain}` },
        ingressClass: values.ingressClass,
        acmeServer:
          acme === 'staging'
            ? 'https://acme-staging-v02.api.letsencrypt.org/directory'
            : 'https://acme-v02.api.letsencrypt.org/directory',
        dns01TokenField: dns01 === 'cloudflare' ? 'apiTokenSecretRef' : 'tokenSecretRef',
      };
    }
    case 'externalDns': {
      const provider = platform.externalDns?.provider;
      const tokenVariable = provider === 'cloudflare' ? 'CF_API_TOKEN' : 'DO_TOKEN';
      return { provider, tokenVariable, baseDomain };
    }
    case 'middlewares': {
      const { bodyMegabytes = 0, ...settings } = platform.middlewares ?? {};
      return { ...settings, bodyBytes: bodyMegabytes * 1_048_576 };
    }
    case 'prometheus':
      return { ...platform.prometheus, retention: `${platform.prometheus?.retentionDays ?? 0}d` };
    case 'logs':
      return { ...platform.logs, retention: `${(platform.logs?.retentionDays ?? 0) * 24}h` };
    case 'velero':
      return { ...platform.velero, ttl: `${(platform.velero?.keepDays ?? 0) * 24}h0m0s` };
    case 'externalSecrets':
      return {
        backupSecret: values.backup.s3?.secretName ?? '',
        tlsSecret: values.tlsSecret ?? '',
      };
    default:
      return { ...platform[addOn] };
  }
}

function renderRules({ groups }: Monitoring): string {
  return sealFile(
    writeYaml({
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'shopyard', namespace: MONITORING_NAMESPACE },
      spec: { groups },
    }),
  );
}

/** Grafana's sidecar looks for the label. */
function renderDashboard({ name, content }: Monitoring['dashboards'][number]): string {
  return sealFile(
    writeYaml({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: MONITORING_NAMESPACE, labels: { grafana_dashboard: '1' } },
      data: { [`${name}.json`]: content },
    }),
  );
}
