/** What an engine offers beyond what a decision needs: for the pages that show it. */
import type { OrderApi } from './orders.ts';
import type { Engine } from './request.ts';

/** What a plan buys, in Kubernetes's notation (`500m`, `1Gi`). */
export type PlanCard = {
  readonly name: string;
  /** Web pods. */
  readonly replicas: number;
  /** Requests that one of them serves at once; null where the engine has no such number. */
  readonly workers: number | null;
  /** Of one web pod, at most. */
  readonly cpu: string;
  readonly memory: string;
  /** Of all volumes together, given when the store is made. */
  readonly storage: string;
};

export type EngineCard = Engine & {
  readonly title: string;
  readonly summary: string;
  readonly planCards: readonly PlanCard[];
  /** Path of the administration's page on the store's own address. */
  readonly adminPath: string;
  /** null: its orders cannot be asked for. */
  readonly orderApi: OrderApi | null;
};
