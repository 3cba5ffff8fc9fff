/**
 * Records what real Argo CD does with the contract suite's own stores, for the suite to compare with:
 * `npm run contract:record` beside `npm run test:lab -- contract`. It only watches. A trace is written
 * when its Application is gone: `<tenant>-contract-store` becomes traces/store.json.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectCluster } from '../../control-plane/src/cluster/connection.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { followApplications } from './read.ts';
import { TraceCollector, type Trace } from './trace.ts';

const folder = process.argv[2] ?? join(import.meta.dirname, 'traces');
const connection = connectCluster(join(resolveLabPaths(process.env).lab, 'observer.kubeconfig'));
const stop = new AbortController();
const collectors = new Map<string, TraceCollector>();

async function write(scenario: string, trace: Trace): Promise<void> {
  const file = join(folder, `${scenario}.json`);
  await writeFile(file, `${JSON.stringify({ ...trace, application: scenario }, null, 2)}\n`);
  console.log(`${file}: ${trace.steps.length} steps`);
}

process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
await followApplications(connection, stop.signal, (name, object, isGone) => {
  const scenario = /^[a-z0-9]{6}-contract-(store|medusa|image)$/.exec(name)?.[1];
  if (scenario === undefined) return;
  const collector = collectors.get(name) ?? new TraceCollector(name);
  collectors.set(name, collector);
  if (!isGone) collector.add(object, new Date());
  else {
    collector.end(new Date());
    collectors.delete(name);
    void write(scenario, collector.trace);
  }
});
connection.close();
