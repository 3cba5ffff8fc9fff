/**
 * How a store differs from what it should be: files that a person changed in the repository, and
 * what Argo CD finds different in the cluster. The first can be adopted, where a store's settings can
 * say it; a repair undoes them.
 */
import { Accepted, AdoptEdit, StoreDrift, type FileDiff } from '../contract.ts';
import type { Acceptor } from '../db/accept.ts';
import { specOf } from '../db/accept-outcome.ts';
import { listDrifts } from '../db/drifts.ts';
import type { Db } from '../db/open.ts';
import type { StoreWithTenant } from '../db/stores.ts';
import { decideChange, type Change } from '../domain/change.ts';
import { describeUnconnected } from '../domain/cluster.ts';
import { hashBlob, type Drift } from '../domain/drift.ts';
import type { Clock } from '../domain/ids.ts';
import type { Offer } from '../domain/request.ts';
import type { StoreSpec } from '../domain/store.ts';
import { PlatformError } from '../errors.ts';
import type { CommitSha, FileChange } from '../git/types.ts';
import { readAdoption } from '../render/adoption.ts';
import { readStoreFile } from '../render/store-file.ts';
import type { RepositoryChange } from '../repository/types.ts';
import { ALTERING, answerOutcome, keyOf } from './accepted.ts';
import { describeFile, MOST_FILES, readContent, type Content } from './changes.ts';
import { notConnected, RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore } from './stores.ts';

export type DriftRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly offer: Offer;
  readonly acceptor: Acceptor;
  readonly reads: Pick<Reads, 'repository' | 'render' | 'cluster'>;
  readonly announce: () => void;
};

/** One path that differs, with what there should be and what there is. */
type ShownDrift = Drift & { readonly file: FileDiff };

/** What of a store's differences is looked at, and how many more there are. */
type Shown = { readonly drifts: readonly ShownDrift[]; readonly omitted: number };

/** What becomes of an edit when somebody adopts it, or why nothing can. */
type Proposal =
  | { readonly ok: true; readonly change: Extract<Change, { kind: 'adopt' }> }
  | { readonly ok: false; readonly why: ReadonlyMap<string, string>; readonly all: string };

export function driftRoutes(options: DriftRouteOptions): Route[] {
  const { db, reads, acceptor, announce } = options;
  return [
    route({
      method: 'GET',
      path: '/api/stores/{id}/drift',
      policy: 'reader',
      summary: 'How a store differs from what it should be, in the repository and its cluster',
      answers: { 200: StoreDrift },
      problems: ['not_found', 'repository_unavailable'],
      handle: async (call) => {
        const store = await readStore(db, call);
        const [shown, live] = await Promise.all([
          showDrifts(options, store),
          readLive(reads, store),
        ]);
        const proposal = propose(options, store, shown);
        const body: StoreDrift = {
          commit: store.driftSha,
          git: shown.drifts.map(({ path, kind, sha, author, at, file }) => ({
            ...{ path, kind, sha, author, at: at.toISOString(), file },
            adoptable: proposal.ok,
            why: proposal.ok ? null : (proposal.why.get(path) ?? proposal.all),
          })),
          omitted: shown.omitted,
          ...live,
        };
        return { status: 200, body };
      },
    }),
    route({
      method: 'POST',
      path: '/api/stores/{id}/adopt',
      policy: 'owner',
      summary: 'Make what a person wrote into a store’s files its settings',
      body: AdoptEdit,
      idempotent: true,
      answers: { 202: Accepted },
      problems: [
        'not_found',
        ...ALTERING,
        'store_deleting',
        'store_kept',
        'drifted',
        'not_adoptable',
        'cluster_not_connected',
        'host_taken',
        'repository_unavailable',
      ],
      handle: async (call) => {
        const store = await readStore(db, call);
        if (!isConnected(options, store)) throw notConnected(store.cluster);
        if (store.driftSha !== null && store.driftSha !== call.body.commit)
          throw new RequestProblem('drifted', 'Its files were changed again since you looked.', {
            hint: 'Look at the difference as it is now.',
          });
        const proposal = propose(options, store, await showDrifts(options, store));
        if (!proposal.ok)
          throw new RequestProblem(
            'not_adoptable',
            [...proposal.why].map(([path, why]) => `${path}: ${why}`).join(' ') || proposal.all,
            { hint: 'Put the files back by a repair, and ask for the change.' },
          );
        const outcome = await acceptor.change({
          principal: call.principal,
          storeId: store.id,
          change: proposal.change,
          key: keyOf(call, call.body),
          origin: call,
        });
        return answerOutcome(outcome, announce);
      },
    }),
  ];
}

/** Its files are made with its cluster's settings. */
function isConnected({ offer }: DriftRouteOptions, { cluster }: StoreWithTenant): boolean {
  return offer.clusters.some(({ name }) => name === cluster);
}

/** As much of what differs as one answer holds. */
async function showDrifts(options: DriftRouteOptions, store: StoreWithTenant): Promise<Shown> {
  const { db, reads } = options;
  const all = await listDrifts(db, [store.id]);
  if (all.length === 0) return { drifts: [], omitted: 0 };
  const tip = await reads.repository.readTip();
  const rendered = isConnected(options, store)
    ? renderAnew(reads, specOf(store, store.tenantSlug))
    : new Map<string, string>();
  const changes = new Map<string, RepositoryChange | null>();
  const readFirst = async (sha: string): Promise<RepositoryChange | null> => {
    const known = changes.get(sha);
    if (known !== undefined) return known;
    const change = await reads.repository.readChange(sha as CommitSha);
    changes.set(sha, change);
    return change;
  };
  const drifts: ShownDrift[] = [];
  for (const drift of all.slice(0, MOST_FILES)) {
    const { path, kind, ours, firstSha } = drift;
    const change = firstSha === null ? null : await readFirst(firstSha);
    const known = change === null ? null : await readContent(change.before, path);
    const isOurs = known !== null && known !== 'too-large' && hashBlob(known) === ours;
    const anew = rendered.get(path);
    const before: Content =
      ours === null ? null : isOurs || anew === undefined ? known : Buffer.from(anew);
    const after = await readContent(tip, path);
    const file = describeFile(path, before, after);
    // A link, say: something is there, and it is no file.
    const isNoFile = kind !== 'removed' && after === null;
    drifts.push({ ...drift, file: isNoFile ? { ...file, note: 'not a file' } : file });
  }
  return { drifts, omitted: all.length - drifts.length };
}

function renderFiles({ render }: Pick<Reads, 'render'>, store: StoreSpec): FileChange[] {
  return render({ action: 'update', store, operationId: '', at: new Date(0) }, null);
}

function renderAnew(reads: Pick<Reads, 'render'>, store: StoreSpec): ReadonlyMap<string, string> {
  return new Map(renderFiles(reads, store).map(({ path, content }) => [path, String(content)]));
}

function propose(
  settings: DriftRouteOptions,
  store: StoreWithTenant,
  { drifts, omitted }: Shown,
): Proposal {
  const { reads, offer, clock } = settings;
  const none = new Map<string, string>();
  if (!isConnected(settings, store))
    return { ok: false, why: none, all: describeUnconnected(store.cluster).message };
  if (store.driftSha === null || drifts.length === 0)
    return { ok: false, why: none, all: 'Nothing was changed.' };
  const unread = drifts.flatMap(({ path, file: { note } }) =>
    note === null ? [] : [[path, `It cannot be read: ${note}.`] as const],
  );
  if (unread.length > 0 || omitted > 0)
    return { ok: false, why: new Map(unread), all: 'Other files stand in the way.' };
  // As the files said before: a change that was refused since is in the row and in no file.
  const intentFile = drifts.find(({ path }) => path.endsWith('/store.yaml'));
  const intent = intentFile?.file.before ?? null;
  const before = intent === null ? null : readStoreFile(intent);
  const spec = before?.ok === true ? before.spec : specOf(store, store.tenantSlug);
  const edited = drifts.map(({ path, ours, file }) => ({
    path,
    theirs: file.after,
    isOurs: ours !== null,
  }));
  const adoption = readAdoption(spec, edited, (wanted) => renderFiles(reads, wanted));
  if (!adoption.ok) return { ok: false, why: adoption.why, all: 'Other files stand in the way.' };
  const { plan, options, host, url } = adoption.settings;
  const change = {
    kind: 'adopt',
    commit: store.driftSha,
    plan,
    options: pickChanged(options, store.options),
    domain: host === store.host ? store.domain : host,
  } as const;
  const decision = decideChange(store, change, offer, { now: clock() });
  if (decision.kind === 'change') {
    // The address follows from the host: one of its own would be written over without a word.
    if (url === spec.url || url === decision.url) return { ok: true, change };
    const why = `spec.url is not for a store’s settings to say: it is ${decision.url}.`;
    return { ok: false, why: new Map([[intentFile?.path ?? 'store.yaml', why]]), all: why };
  }
  const all =
    decision.kind === 'invalid'
      ? decision.errors.map(({ field, message }) => `${field}: ${message}`).join(' ')
      : decision.kind === 'refused'
        ? decision.message
        : 'There is nothing to adopt.';
  return { ok: false, why: none, all };
}

/** Options that may never change are as they were. */
function pickChanged(
  options: StoreSpec['options'],
  standing: StoreSpec['options'],
): StoreSpec['options'] {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => standing[name] !== value),
  );
}

/** What Argo CD finds different from git; a cluster that is away is said, not thrown. */
async function readLive(
  reads: Pick<Reads, 'cluster'>,
  store: StoreWithTenant,
): Promise<Pick<StoreDrift, 'live' | 'problem'>> {
  try {
    const observation = await reads.cluster(store.cluster).readApplication(store.application);
    const live = (observation?.troubled ?? []).flatMap(({ kind, name, sync, health, message }) => {
      const isMissing = health === 'Missing';
      if (sync === 'Synced' || (sync === null && !isMissing)) return [];
      const status = isMissing ? 'Missing' : sync === 'OutOfSync' ? 'OutOfSync' : 'Unknown';
      const words = isMissing ? 'It is not in the cluster.' : 'It is not as git has it.';
      const said = message === '' ? words : message;
      return [{ kind, name, namespace: store.namespace, status, message: said } as const];
    });
    return { live, problem: null };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const { code, message, hint = null } = error;
    return { live: [], problem: { code, message, hint } };
  }
}
