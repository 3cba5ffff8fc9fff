/** The running lab as tests see it: kubectl as its administrator, its images, its Traefik. */
import { request } from 'node:http';
import { runCommand } from '../../bootstrap/lab/command.ts';
import { runKubectl } from '../../bootstrap/lab/kubernetes.ts';
import { layOut, ports } from '../../bootstrap/lab/layout.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { readLabSettings } from '../../bootstrap/lab/settings.ts';

const paths = resolveLabPaths(process.env);
export const layout = layOut(paths);
const context = { paths, layout, settings: readLabSettings(process.env) };

export function kubectl(...args: string[]): Promise<string> {
  return runKubectl(context, args);
}

/** Reads objects as JSON; [] when there are none, or no such namespace. */
export async function listObjects<T>(kind: string, ...args: string[]): Promise<T[]> {
  return (JSON.parse(await kubectl('get', kind, '-o', 'json', ...args)) as { items: T[] }).items;
}

export async function exists(kind: string, name: string, namespace?: string): Promise<boolean> {
  const where = namespace === undefined ? [] : ['-n', namespace];
  return (await kubectl('get', kind, name, ...where, '--ignore-not-found', '-o', 'name')) !== '';
}

/** GET through Traefik, by host name. */
export function visit(host: string, path = '/'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: ports.ingress,
        path,
        headers: { host: `${host}:${ports.ingress}` },
        timeout: 10_000,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${host}${path} does not answer`)));
    sent.on('error', reject);
    sent.end();
  });
}

/** Hides an image from new pods; returns what brings it back. Running pods keep theirs. */
export async function hideImage(name: string): Promise<() => Promise<void>> {
  const ctr = (...args: string[]): Promise<string> =>
    runCommand('ctr', ['--address', layout.containerdSocket, '-n', 'k8s.io', 'images', ...args]);
  const kept = `${name}-hidden-by-a-test`;
  await ctr('tag', '--force', name, kept);
  await ctr('rm', '--sync', name);
  return async () => {
    await ctr('tag', '--force', kept, name);
    await ctr('rm', '--sync', kept);
  };
}

/** What a person would look at when a store is not as it should be. */
export async function printDiagnostics(): Promise<void> {
  const show = async (title: string, ...args: string[]): Promise<void> => {
    const text = await kubectl(...args).catch((error: unknown) => String(error));
    console.log(`--- ${title}\n${text}`);
  };
  await show('Applications', 'get', 'applications', '-n', 'argocd', '-o', 'wide');
  await show('pods', 'get', 'pods', '-A', '-o', 'wide');
  const namespaces = await listObjects<{ metadata: { name: string } }>('namespaces');
  for (const { name } of namespaces.map(({ metadata }) => metadata)) {
    if (!name.startsWith('store-')) continue;
    await show(
      `Application of ${name}`,
      'get',
      'application',
      name.slice('store-'.length),
      '-n',
      'argocd',
      '-o',
      'jsonpath={.status.operationState}{"\\n"}{.status.conditions}',
    );
    await show(`events of ${name}`, 'get', 'events', '-n', name, '--sort-by=.lastTimestamp');
    const pods = await listObjects<{ metadata: { name: string } }>('pods', '-n', name);
    for (const pod of pods)
      await show(
        `log of ${pod.metadata.name}`,
        'logs',
        '-n',
        name,
        pod.metadata.name,
        '--all-containers',
        '--tail=30',
      );
  }
}
