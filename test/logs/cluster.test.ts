/**
 * Logs out of the cluster itself, by the contract of log sources. The API server is scripted: its log
 * of a container answers `tailLines` and `sinceTime` as Kubernetes documents them. The real one is
 * asked in the lab (test/lab).
 */
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { connect } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import { createClusterLogs } from '../../control-plane/src/logs/cluster.ts';
import { answer, startScriptedApiServer } from '../observer/scripted-api-server.ts';
import { ago, SHOP, testLogSource, type LogSubject, type Written } from './contract.ts';

async function openSubject(): Promise<LogSubject & { readonly requests: readonly string[] }> {
  const server = await startScriptedApiServer();
  const connection = connect(server.config);
  const reader = createClusterReader(connection, { namespace: 'argocd', timeoutMs: 3_000 });
  const written = new Map<string, Written[]>();
  server.faults.push((url, response) => {
    const path = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/log$/.exec(url.pathname);
    if (path === null) return false;
    const names = [path[1] ?? '', path[2] ?? ''].map(decodeURIComponent);
    const key = JSON.stringify([...names, url.searchParams.get('container')]);
    answerLog(response, written.get(key), url.searchParams);
    return true;
  });
  return {
    source: createClusterLogs(reader),
    requests: server.requests,
    namespace: 'store-t1-mine',
    neighbour: 'store-t1-theirs',
    write(namespace, { pod, container }, lines) {
      const key = JSON.stringify([namespace, pod, container]);
      written.set(key, [...(written.get(key) ?? []), ...lines]);
      return Promise.resolve();
    },
    misbehave(how) {
      server.faults.push((_url, response) => {
        if (how === 'nonsense') response.writeHead(404).end('<html>A proxy’s own page</html>');
        if (how === 'error') answer(response, 500, { kind: 'Status', reason: 'InternalError' });
        return true;
      });
    },
    async close() {
      connection.close();
      await server.close();
    },
  };
}

function answerLog(
  response: ServerResponse,
  written: readonly Written[] | undefined,
  query: URLSearchParams,
): void {
  if (written === undefined) {
    answer(response, 404, { kind: 'Status', reason: 'NotFound', code: 404 });
    return;
  }
  const since = new Date(query.get('sinceTime') ?? 0);
  const lines = written.filter(({ at }) => at >= since).slice(-Number(query.get('tailLines')));
  response.end(lines.map(({ line }) => `${line}\n`).join(''));
}

testLogSource('the cluster', openSubject);

test('it is asked for no more than it may answer', async () => {
  const subject = await openSubject();
  try {
    await subject.write(subject.namespace, SHOP, [{ at: ago(1), line: 'x' }]);
    const since = new Date('2026-11-22T08:00:00Z');
    await subject.source.readLines(subject.namespace, SHOP, { lines: 7, since });
    expect(subject.requests).toEqual([
      '/api/v1/namespaces/store-t1-mine/pods/shop-7d9f-x2x/log' +
        '?tailLines=7&limitBytes=262144&container=php&sinceTime=2026-11-22T08%3A00%3A00.000Z',
    ]);
  } finally {
    await subject.close();
  }
});
