/** Following Applications as they change, for recorder and contract alike. */
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { ClusterConnection } from '../../control-plane/src/cluster/connection.ts';
import { readObjectName } from '../../control-plane/src/domain/observation.ts';

export const APPLICATIONS = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications';

const watchEvent = z.object({ type: z.string(), object: z.unknown() });
export type WatchEvent = z.infer<typeof watchEvent>;

/** Reads a WATCH to its end. */
export async function* readEvents(
  connection: ClusterConnection,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const answer = await connection.get(path, signal);
  if (answer.status !== 200) throw new Error(`${path}: the API server answered ${answer.status}`);
  for await (const line of createInterface({ input: answer.body }))
    if (line.trim() !== '') yield watchEvent.parse(JSON.parse(line));
}

/** Tells of every Application's every state, what there is first, until the signal ends it. */
export async function followApplications(
  connection: ClusterConnection,
  signal: AbortSignal,
  onState: (name: string, object: unknown, isGone: boolean) => void,
): Promise<void> {
  try {
    for (;;)
      for await (const { type, object } of readEvents(
        connection,
        `${APPLICATIONS}?watch=true`,
        signal,
      )) {
        const name = readObjectName(object);
        if (name !== null) onState(name, object, type === 'DELETED');
      }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
