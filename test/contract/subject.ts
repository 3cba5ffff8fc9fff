/**
 * What the contract is tried on: a cluster with Argo CD, real or played, that follows a repository of
 * the suite's own. Both sorts are driven the same way: by commits and the webhook, as the control
 * plane does it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterConnection } from '../../control-plane/src/cluster/connection.ts';
import { relayPush } from '../../control-plane/src/forge/argocd-webhook.ts';
import { EmbeddedServer } from '../../control-plane/src/forge/embedded-server.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { FileChange, RemoteSettings } from '../../control-plane/src/git/types.ts';
import { loadMonitoring } from '../../control-plane/src/monitoring.ts';
import { loadPolicies } from '../../control-plane/src/policies.ts';
import { renderSeeds } from '../../control-plane/src/render/seeds.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';

export type Subject = {
  /** The cluster's folder in the repository. */
  readonly cluster: string;
  readonly repositoryUrl: string;
  readonly connection: ClusterConnection;
  /** Commits, pushes and tells Argo CD. Returns the commit. */
  commit(message: string, changes: readonly FileChange[]): Promise<string>;
  /** Milliseconds to wait for what takes the lab that many seconds. */
  allow(seconds: number): number;
  close(): Promise<void>;
};

/** What a cluster gives: how to read it and where to tell of pushes. */
export type SubjectCluster = {
  readonly connection: ClusterConnection;
  readonly webhookUrl: string;
  readonly webhookSecret: string;
  stop(): Promise<void>;
};

/** Serves a repository with charts and the cluster's folder, and has a cluster follow it. */
export async function openSubject(options: {
  readonly cluster: string;
  readonly forge: { readonly port: number; readonly readPassword: string; readonly writePassword: string }; // prettier-ignore
  readonly allow: (seconds: number) => number;
  readonly start: (repository: RemoteSettings, folder: string) => Promise<SubjectCluster>;
}): Promise<Subject> {
  const { cluster, allow } = options;
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-contract-'));
  const forge = new EmbeddedServer({
    dir: join(folder, 'forge'),
    host: '127.0.0.1',
    branch: 'main',
    ...options.forge,
  });
  await forge.start();
  const repositoryUrl = forge.readRemote.url;
  const started = await options.start(forge.readRemote, folder);
  const { connection, webhookUrl, webhookSecret } = started;
  const branch = await openBranch({ remote: forge.remote, dir: join(folder, 'clone') });
  const commit = async (message: string, changes: readonly FileChange[]): Promise<string> => {
    const batch = branch.begin();
    const author = { name: 'Shopyard contract', email: 'contract@shopyard.invalid' };
    const commit = await batch.commit(changes, { message, author, at: new Date() });
    const push = await batch.push();
    if (push.kind !== 'pushed' || commit.kind !== 'committed')
      throw new Error(`${message}: nothing was pushed`);
    const { sha, parent, changedPaths } = commit;
    const record = { sha, parent, message, author: { ...author, at: new Date() }, changedPaths };
    const relayed = await relayPush(
      { url: webhookUrl, secret: webhookSecret, repositoryUrl, branch: 'main' },
      { ...push, commits: [record] },
    );
    if (relayed.kind !== 'delivered') throw new Error(`${message}: ${JSON.stringify(relayed)}`);
    return sha;
  };
  const seeds = renderSeeds(
    {
      ...(await loadTemplates()),
      policies: await loadPolicies(),
      monitoring: await loadMonitoring(),
    },
    { repositoryUrl, branch: 'main' },
    [exampleCluster(cluster)],
  );
  await commit(
    'Publish charts and lay out the cluster',
    // Without add-ons: policies would refuse, before Argo CD does, what it is to refuse.
    seeds.flatMap(({ files }) => files.filter(({ path }) => !path.includes('/root/platform/'))),
  );
  return {
    cluster,
    repositoryUrl,
    connection,
    commit,
    allow,
    async close() {
      connection.close();
      await started.stop();
      await forge.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
