/** Logs as the cluster itself keeps them: of the pods that it has, by the kubelet. */
import type { ClusterReader } from '../cluster/types.ts';
import type { LogSource } from './types.ts';

export function createClusterLogs(cluster: ClusterReader): LogSource {
  return {
    async readLines(namespace, { pod, container }, { lines, since }) {
      const text = await cluster.readLog(namespace, pod, { container, lines, since });
      const written = (text ?? '').split('\n');
      if (written.at(-1) === '') written.pop();
      return written;
    },
  };
}
