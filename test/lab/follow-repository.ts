/** What an operator does who moves a cluster to another repository: its credential, then the root. */
import { repositoryUrl as labRepository } from '../../bootstrap/lab/connection.ts';
import { applyManifests, applyObjects } from '../../bootstrap/lab/kubernetes.ts';
import { renderRootManifest } from '../../control-plane/src/render/cluster.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { kubectl, labContext } from './lab.ts';

const SECRET = 'test-gitea';

export async function followRepository(
  repositoryUrl: string,
  account: { readonly username: string; readonly password: string },
): Promise<void> {
  await applyObjects(labContext, [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: SECRET,
        namespace: 'argocd',
        labels: { 'argocd.argoproj.io/secret-type': 'repository' },
      },
      stringData: { type: 'git', url: repositoryUrl, ...account },
    },
  ]);
  await applyRoot(repositoryUrl);
}

/** Back to the lab's own repository. */
export async function stopFollowing(): Promise<void> {
  await applyRoot(labRepository);
  await kubectl('delete', 'secret', SECRET, '-n', 'argocd', '--ignore-not-found');
}

async function applyRoot(repositoryUrl: string): Promise<void> {
  const { sources } = await loadTemplates();
  const root = renderRootManifest(sources, { cluster: 'lab', repositoryUrl, branch: 'main' });
  await applyManifests(labContext, root);
}
