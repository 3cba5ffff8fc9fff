/** What a cluster repository has besides stores: charts, policies, clusters' folders, add-ons. */
import type { FileChange } from '../git/types.ts';
import { renderAddOns, type AddOnCluster, type Monitoring } from './add-ons.ts';
import { renderClusterFolder, type RepositoryAddress } from './cluster.ts';
import { pathOfChart, pathOfPolicies, type ShardDigits } from './paths.ts';
import type { TemplateSources } from './template.ts';

/**
 * Only what is absent is written, and what is sealed and was rendered otherwise (seal.ts); what has no
 * content goes. A seed with a `folder` is published whole or not at all (a version, once published,
 * never changes).
 */
export type Seed = {
  readonly subject: string;
  readonly files: readonly FileChange[];
  readonly folder?: string;
};

/** What the checkout has to publish. */
export type Published = {
  readonly sources: TemplateSources;
  readonly charts: readonly {
    readonly name: string;
    readonly version: string;
    readonly files: ReadonlyMap<string, Uint8Array>;
  }[];
  readonly policies: {
    readonly version: string;
    readonly policies: readonly { readonly name: string; readonly content: string }[];
  };
  readonly monitoring: Monitoring;
};

export function renderSeeds(
  parts: Published,
  address: RepositoryAddress,
  clusters: readonly (AddOnCluster & { readonly shardDigits: ShardDigits })[],
): Seed[] {
  const { sources, charts, policies } = parts;
  const { version } = policies;
  const folder = pathOfPolicies(version);
  return [
    ...charts.map(({ name, version, files }): Seed => {
      const folder = pathOfChart(name, version);
      return {
        subject: `Publish chart ${name} ${version}`,
        folder,
        files: [...files].map(([path, content]) => ({ path: `${folder}/${path}`, content })),
      };
    }),
    {
      subject: `Publish policies ${version}`,
      folder,
      files: policies.policies.map(({ name, content }) => ({
        path: `${folder}/${name}.yaml`,
        content,
      })),
    },
    ...clusters.map(({ name, shardDigits, platform }): Seed => ({
      subject: `Lay out cluster ${name}`,
      files: renderClusterFolder(sources, {
        ...address,
        ...{ cluster: name, shardDigits },
        policiesVersion: platform.off.includes('policies') ? null : version,
      }),
    })),
    ...clusters.flatMap((cluster) =>
      renderAddOns(parts, address, cluster).map(({ addOn, files }): Seed => ({
        subject: `Set add-on ${addOn} of cluster ${cluster.name}`,
        files,
      })),
    ),
  ];
}
