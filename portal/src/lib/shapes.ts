/** The API's shapes under one roof. Those that the contract does not name yet are written here. */
import type { Health, Operation, Store } from '../../../control-plane/src/contract.ts';

export type {
  Accepted,
  InvitationPreview,
  Me,
  SignInOptions,
  StoreList,
} from '../../../control-plane/src/contract.ts';
export type { Health, Operation, Store };
export type StoreStatus = Store['status'];
export type Stage = Store['stage'];
export type StageEntry = Health['stages'][number];
export type StoreProblem = NonNullable<Store['error']>;

export type Counts = Record<Exclude<StoreStatus, 'deleted'>, number>;

export type Plan = {
  name: string;
  title?: string;
  cpu: string;
  memory: string;
  storage: string;
  replicas: number;
};
export type Engine = { type: string; title: string; summary: string; plans: Plan[] };
export type ClusterOffer = {
  name: string;
  baseDomain: string;
  scheme: string;
  port: number | null;
};
export type EngineList = { engines: Engine[]; clusters: ClusterOffer[] };

export type NameCheck = {
  name: string;
  available: boolean;
  url: string;
  problem: { code: string; message: string } | null;
};

export type FileChange = { path: string; before: string | null; after: string | null };
export type Preview = { subject: string; message: string; files: FileChange[] };

export type Change = {
  sha: string;
  subject: string;
  action: Operation['action'];
  by: { id: string; name: string | null };
  at: string;
  operation: string;
  generation: number;
};
export type ChangeList = { changes: Change[]; next: string | null };
export type ChangeDetail = { change: Change; files: FileChange[] };

export type ClusterEvent = {
  at: string;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  object: string;
  count: number;
};
export type Pod = {
  name: string;
  component: string;
  phase: string;
  ready: boolean;
  restarts: number;
  startedAt: string | null;
  containers: string[];
};
export type PodLog = { pod: string; container: string; lines: string[] };
export type Quota = { quota: { resource: string; used: string; hard: string }[] };

export type AdminLogin = { username: string; password: string; email: string; url: string };

export type Orders = {
  currency: string;
  days: { date: string; orders: number; revenue: number }[];
  recent: {
    number: string;
    at: string;
    total: number;
    currency: string;
    status: string;
    customer: string;
  }[];
  problem: StoreProblem | null;
};
