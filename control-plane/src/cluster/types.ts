/**
 * What the control plane sees of a cluster: read-only. The watch feeds the observer; the reader
 * answers single questions, with time-outs, never on the way of a create.
 */
import type { Observation } from '../domain/observation.ts';
import type {
  ClaimFacts,
  EventFacts,
  GenerationFacts,
  JobFacts,
  NamespaceFacts,
  PodFacts,
  QuotaFacts,
} from '../domain/observation-workload.ts';

/** What a watch reports of itself. `listed` follows every complete LIST. */
export type WatchReport =
  | { readonly kind: 'listed'; readonly objects: number; readonly changed: number }
  | { readonly kind: 'relist'; readonly reason: string }
  | { readonly kind: 'malformed'; readonly name: string | null; readonly reason: string }
  | { readonly kind: 'interrupted'; readonly reason: string; readonly retryInMs: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

/**
 * Follows every object of one kind. Keeps what was extracted of each, never the objects.
 * `onChange` names objects whose extract changed, appeared or went; it is called synchronously and
 * must not throw. An object that cannot be read stays as it was last read.
 */
export interface ObjectWatch<T> {
  start(onChange: (names: readonly string[]) => void): void;
  stop(): Promise<void>;
  /** True after the first complete LIST: only then does absence mean anything. */
  readonly complete: boolean;
  /** When the API server last said anything, be it only that nothing changed; null: never. */
  readonly heardAt: Date | null;
  /** Why the API server was not heard the last time; null: it was. */
  readonly trouble: string | null;
  readonly size: number;
  get(name: string): T | undefined;
  entries(): IterableIterator<[string, T]>;
}

/** Single questions. All throw a retryable PlatformError when the API server cannot answer. */
export interface ClusterReader {
  applicationExists(name: string): Promise<boolean>;
  /** null: there is none. */
  readApplication(name: string): Promise<Observation | null>;
  /** null: there is none. */
  readNamespace(name: string): Promise<NamespaceFacts | null>;
  readGeneration(namespace: string): Promise<GenerationFacts>;
  listPods(namespace: string): Promise<readonly PodFacts[]>;
  listJobs(namespace: string): Promise<readonly JobFacts[]>;
  listClaims(namespace: string): Promise<readonly ClaimFacts[]>;
  /** The newest events, at most 500. */
  listEvents(namespace: string): Promise<readonly EventFacts[]>;
  listQuotas(namespace: string): Promise<readonly QuotaFacts[]>;
  /**
   * One of the two Secrets that a store's own Role opens to us; null: it is not there. Its values are
   * for the caller's answer: never kept, never logged.
   */
  readSecret(
    namespace: string,
    name: 'store-admin' | 'store-api',
  ): Promise<Readonly<Record<string, string>> | null>;
  /** The last lines of a container's log; null when there is no such pod or it has not begun. */
  readLog(
    namespace: string,
    pod: string,
    options?: {
      readonly container?: string;
      readonly lines?: number;
      readonly since?: Date;
      readonly previous?: boolean;
    },
  ): Promise<string | null>;
}

export type ApplicationWatch = ObjectWatch<Observation>;
