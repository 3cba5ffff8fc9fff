/**
 * `lab:status`: a line for each part, what it all uses, and where to connect.
 */
import { readFileSync } from 'node:fs';
import { ports } from './layout.ts';
import { describeStages, type LabContext } from './parts.ts';
import { isAlive, readRecord, readResidentMemory } from './processes.ts';

/** What is known of one part. */
export interface PartStatus {
  readonly name: string;
  readonly state: 'up' | 'down' | 'not answering';
  readonly pid?: number;
  readonly memory: number;
}

/** Looks at every part. */
export async function readStatus(context: LabContext): Promise<PartStatus[]> {
  const parts = describeStages(context).flatMap((stage) => stage.parts);
  return Promise.all(
    parts.map(async (part): Promise<PartStatus> => {
      const record = await readRecord(context.layout, part.name);
      if (record === undefined || !isAlive(record)) {
        return { name: part.name, state: 'down', memory: 0 };
      }
      const answers = await part.isReady().catch(() => false);
      return {
        name: part.name,
        state: answers ? 'up' : 'not answering',
        pid: record.pid,
        memory: readResidentMemory(record.pid),
      };
    }),
  );
}

/** The table of parts, as text. */
export function renderStatus(parts: readonly PartStatus[], podMemory: number | undefined): string {
  const width = Math.max(...parts.map((part) => part.name.length));
  const lines = parts.map((part) => {
    const pid = part.pid === undefined ? '' : `pid ${part.pid}`;
    const memory = part.pid === undefined ? '' : formatMemory(part.memory);
    const line = `  ${part.name.padEnd(width)}  ${part.state.padEnd(13)}  ${pid.padEnd(11)}  ${memory}`;
    return line.trimEnd();
  });
  const partsMemory = parts.reduce((sum, part) => sum + part.memory, 0);
  const pods = podMemory === undefined ? '' : `, pods ${formatMemory(podMemory)}`;
  lines.push(`  memory: parts ${formatMemory(partsMemory)}${pods}`);
  return lines.join('\n');
}

/** Bytes as MiB or GiB. */
export function formatMemory(bytes: number): string {
  const mebibytes = bytes / 1024 / 1024;
  return mebibytes < 1024 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

/** Memory of all pods by their common cgroup, page cache left out; undefined without one. */
function readPodMemory(): number | undefined {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  };
  const unified = read('/sys/fs/cgroup/kubepods/memory.stat');
  const separate = read('/sys/fs/cgroup/memory/kubepods/memory.stat');
  const match =
    unified === undefined
      ? /^total_rss (\d+)$/m.exec(separate ?? '')
      : /^anon (\d+)$/m.exec(unified);
  return match === null ? undefined : Number(match[1]);
}

/** Prints the status. True when every part is up. */
export async function showStatus(context: LabContext): Promise<boolean> {
  const { layout } = context;
  const parts = await readStatus(context);
  const isUp = parts.every((part) => part.state === 'up');
  console.log(renderStatus(parts, readPodMemory()));
  console.log(`  kubeconfig: ${layout.adminKubeconfig}`);
  console.log(`  settings for the control plane: ${layout.connection}`);
  console.log(
    `  stores: http://<host>.localhost:${ports.ingress}  ` +
      `Argo CD's API: http://127.0.0.1:${ports.argocdServer}  logs: ${layout.logs}`,
  );
  return isUp;
}
