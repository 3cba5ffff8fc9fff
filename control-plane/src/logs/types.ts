/**
 * The port to what the containers of a store wrote: as its cluster keeps it (cluster.ts), which
 * forgets a pod's with the pod, or as a Loki does (loki.ts). A namespace is one store's, so whoever
 * names it by the store that was asked for reads no other's. Names go into questions whole or not at
 * all: no caller's text becomes a part of a query.
 */

/** A container that wrote. */
export type LogWriter = { readonly pod: string; readonly container: string };

/**
 * Throws PlatformError: of a cluster those of ClusterReader; of a Loki `logs_unreachable` and
 * `logs_refused` (our credential or tenant).
 */
export interface LogSource {
  /** The last lines since then, oldest first; none of a container that is not there. */
  readLines(
    namespace: string,
    writer: LogWriter,
    options: { readonly lines: number; readonly since: Date },
  ): Promise<readonly string[]>;
}

/** One that keeps lines longer than the cluster keeps pods. */
export interface LogArchive extends LogSource {
  /** The containers of a namespace by name; ones that have been silent since may be among them. */
  listWriters(namespace: string, since: Date): Promise<readonly LogWriter[]>;
}
