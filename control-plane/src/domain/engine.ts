/** What an engine offers beyond what a decision needs: for the pages that show it. */
import type { Engine } from './request.ts';

/** What a plan buys, in Kubernetes's notation (`500m`, `1Gi`). */
export type PlanCard = {
  readonly name: string;
  /** Web pods. */
  readonly replicas: number;
  /** Requests that one of them serves at once; null where the engine has no such number. */
  readonly workers: number | null;
  /** Of what serves one visitor's request, at most. */
  readonly cpu: string;
  readonly memory: string;
  /** Of all volumes together, given when the store is made. */
  readonly storage: string;
  /** What its namespace may request of the cluster; null: its chart sets no bound. */
  readonly quota: {
    readonly cpu: string;
    readonly memory: string;
    readonly storage: string;
  } | null;
};

export type EngineCard = Engine & {
  readonly title: string;
  readonly summary: string;
  readonly planCards: readonly PlanCard[];
  /** Path of the administration's page on the store's own address. */
  readonly adminPath: string;
  /** Whether its shops can be asked for their orders: its folder has an adapter. */
  readonly orders: boolean;
};
