/**
 * The API's shapes, as types: `import type` only, so that the schemas, and zod with them, stay on
 * the server.
 */
import type { Health, Store } from '../../../control-plane/src/contract.ts';

export type {
  Accepted,
  AdminLogin,
  AuditEntry,
  AuditList,
  Change,
  ChangeAnswer,
  ChangeList,
  EngineList,
  FileDiff,
  Fleet,
  Health,
  InvitationAnswer,
  InvitationList,
  InvitationPreview,
  Me,
  MemberList,
  OrderSummary,
  PasswordLink,
  PlatformHealth,
  Preview,
  Role,
  SessionList,
  SignInOptions,
  Store,
  StoreCounts,
  StoreEvents,
  StoreList,
  StoreLog,
  StoreNameAnswer,
  StorePods,
  StoreResources,
  Tenant,
  TenantAnswer,
  TenantList,
  TokenAnswer,
  TokenList,
} from '../../../control-plane/src/contract.ts';

export type StoreStatus = Store['status'];
export type Stage = Store['stage'];
export type StageEntry = Health['stages'][number];
