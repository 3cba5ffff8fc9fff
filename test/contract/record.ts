/**
 * Records what real Argo CD does to the stores of the running lab, as long as it runs: `node
 * test/contract/record.ts [folder]`, beside whatever makes the stores. It only watches. A trace is
 * written when its Application is gone, the others at the end (Ctrl-C).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { readJsonLines, readName } from './read.ts';
import { TraceCollector } from './trace.ts';

const APPLICATIONS = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications';
const folder = process.argv[2] ?? new URL('traces', import.meta.url).pathname;
const paths = resolveLabPaths(process.env);
const connection = connectCluster(join(paths.lab, 'observer.kubeconfig'));
const stop = new AbortController();
const collectors = new Map<string, TraceCollector>();

async function write(collector: TraceCollector): Promise<void> {
  const file = join(folder, `${collector.application}.json`);
  await writeFile(file, `${JSON.stringify(collector.trace, null, 2)}\n`);
  console.log(`${file}: ${collector.trace.steps.length} steps`);
}

async function follow(): Promise<void> {
  const answer = await connection.get(`${APPLICATIONS}?watch=true`, stop.signal);
  if (answer.status !== 200) throw new Error(`the API server answered ${answer.status}`);
  for await (const event of readJsonLines(answer.body)) {
    const name = readName(event.object);
    if (name === null || name.startsWith('shopyard-root')) continue;
    const collector = collectors.get(name) ?? new TraceCollector(name);
    collectors.set(name, collector);
    if (event.type === 'DELETED') {
      collector.end(new Date());
      collectors.delete(name);
      await write(collector);
    } else collector.add(event.object, new Date());
  }
}

process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
try {
  while (!stop.signal.aborted) await follow();
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  connection.close();
}
for (const collector of collectors.values()) await write(collector);
