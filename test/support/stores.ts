/** Rows as an accepted request leaves them, for tests that begin after the API. */
import { randomBytes } from 'node:crypto';
import type { Db } from '../../control-plane/src/db/open.ts';
import {
  nameApplication,
  nameNamespace,
  type Action,
  type OperationKind,
  type StoreSpec,
} from '../../control-plane/src/domain/store.ts';
import { exampleStore } from './example-store.ts';

/** A tenant whose project has been seen on the cluster, unless `isSeen` is false. */
export async function insertTenant(
  db: Db,
  tenant: { id?: string; slug?: string; cluster?: string; isSeen?: boolean } = {},
): Promise<void> {
  const { id = 'abc123', slug = 'acme', cluster = 'lab', isSeen = true } = tenant;
  await db.insertInto('tenants').values({ id, slug }).execute();
  if (isSeen)
    await db
      .insertInto('tenantClusters')
      .values({ tenantId: id, cluster, committedAt: new Date(), seenAt: new Date() })
      .execute();
}

/** A new store with its queued create; returns both. */
export async function insertStore(
  db: Db,
  changes: Parameters<typeof exampleStore>[0] = {},
): Promise<{ spec: StoreSpec; operationId: string }> {
  const spec = exampleStore({ id: `st_${randomBytes(8).toString('hex')}`, ...changes });
  const operationId = `op_${randomBytes(8).toString('hex')}`;
  await db
    .insertInto('stores')
    .values({
      id: spec.id,
      tenantId: spec.tenantId,
      name: spec.name,
      type: spec.type,
      chart: spec.chart,
      chartVersion: spec.chartVersion,
      plan: spec.plan,
      storagePlan: spec.storagePlan,
      cluster: spec.cluster,
      application: nameApplication(spec.tenantId, spec.name),
      namespace: nameNamespace(spec.tenantId, spec.name),
      host: spec.host,
      url: spec.url,
      operationId,
    })
    .execute();
  await insertOperation(db, spec, 'create', 'create', operationId);
  return { spec, operationId };
}

/** Makes the given change the store's current operation, queued: at once, as a request does, for a writer that looks. */
export async function queueOperation(
  db: Db,
  spec: StoreSpec,
  kind: OperationKind,
  action: Action,
  more: { readonly driftSha?: string } = {},
): Promise<string> {
  const operationId = `op_${randomBytes(8).toString('hex')}`;
  const write = async (tx: Db): Promise<void> => {
    await insertOperation(tx, spec, kind, action, operationId, more);
    await tx
      .updateTable('stores')
      .set({ operationId, ...(kind === 'delete' ? { status: 'deleting' as const } : {}) })
      .where('id', '=', spec.id)
      .execute();
  };
  await (db.isTransaction ? write(db) : db.transaction().execute(write));
  return operationId;
}

async function insertOperation(
  db: Db,
  spec: StoreSpec,
  kind: OperationKind,
  action: Action,
  id: string,
  more: { readonly driftSha?: string } = {},
): Promise<void> {
  await db
    .insertInto('operations')
    .values({
      id,
      storeId: spec.id,
      tenantId: spec.tenantId,
      cluster: spec.cluster,
      kind,
      action,
      generation: spec.generation,
      spec: JSON.stringify(spec),
      requestedBy: 'tok_test',
      ...more,
    })
    .execute();
}
