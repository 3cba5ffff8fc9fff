/** A kubeconfig for tests: the way to one API server, as nobody in particular. */
import { writeFileSync } from 'node:fs';

export function writeKubeconfig(path: string, server: string): void {
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
}
