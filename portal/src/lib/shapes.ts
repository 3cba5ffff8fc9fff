/**
 * The API's shapes, as types: `import type` only, so that the schemas, and zod with them, stay on
 * the server.
 */
import type { Health, Store } from '../../../control-plane/src/contract.ts';

export type {
  Accepted,
  AdminLogin,
  ApproveHold,
  AuditEntry,
  AuditList,
  Change,
  ChangeAnswer,
  ChangeList,
  ClusterList,
  EngineList,
  FileDiff,
  Fleet,
  Health,
  HoldAnswer,
  HoldList,
  InvitationAnswer,
  InvitationList,
  InvitationPreview,
  Me,
  MemberList,
  OrderSummary,
  PasswordLink,
  PlatformHealth,
  Preview,
  Review,
  ReviewAnswer,
  ReviewDetail,
  ReviewList,
  Role,
  Rollout,
  RolloutAnswer,
  RolloutDetail,
  RolloutList,
  RolloutPreview,
  SessionList,
  SignInOptions,
  Store,
  StoreCounts,
  StoreDrift,
  StoreEvents,
  StoreList,
  StoreLog,
  StoreNameAnswer,
  StoreTally,
  StorePods,
  StoreResources,
  Tenant,
  TenantAnswer,
  TenantList,
  TestOrder,
  TokenAnswer,
  TokenList,
} from '../../../control-plane/src/contract.ts';

export type StoreStatus = Store['status'];
export type Stage = Store['stage'];
export type StageEntry = Health['stages'][number];
