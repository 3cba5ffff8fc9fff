/**
 * What a change makes of a store: pure decisions, from the store as it stands. Every change that the
 * cluster has to follow is a new generation; only a retry is a new attempt. What is kept for its
 * owner after a delete can be resumed, or purged before its time, and nothing else.
 */
import { describeUnconnected, type Cluster } from './cluster.ts';
import { changeOptions, completeOptions, type StoreOptions } from './options.ts';
import { writeMoment } from './moments.ts';
import {
  nameAddress,
  unknownPlan,
  type Engine,
  type FieldError,
  type Offer,
  type Settable,
  type Standing,
} from './request.ts';
import { decideRollback, type Past } from './rollback.ts';
import type { Action, OperationKind } from './store.ts';
import { isNewer } from './versions.ts';

/** A change of an existing store, asked for. */
export type Change =
  | {
      readonly kind: 'update';
      readonly plan?: string | undefined;
      /** null: back to the default host; undefined: as it is. */
      readonly domain?: string | null | undefined;
      /** Those that are to change. */
      readonly options?: StoreOptions | undefined;
    }
  | { readonly kind: 'retry' | 'upgrade' | 'suspend' | 'resume' | 'repair' }
  | { readonly kind: 'protect'; readonly protected: boolean }
  /** What a person's commit made of its settings, if that is the newest change of its files. */
  | ({ readonly kind: 'adopt'; readonly commit: string } & Adopted)
  /** To what the store was at that commit. */
  | { readonly kind: 'rollback'; readonly commit: string }
  /** `now`: nothing is kept, whatever the cluster keeps. */
  | { readonly kind: 'delete'; readonly now?: boolean | undefined };

/** The settings that somebody wrote into a store's files. */
export type Adopted = {
  readonly plan: string;
  readonly domain: string | null;
  readonly options: StoreOptions;
};

/** Why the store as it is cannot be changed so. */
export type Refusal =
  | 'store_deleting'
  | 'store_kept'
  | 'protected'
  | 'drifted'
  | 'upgrade_needed'
  | 'not_offered'
  | 'cluster_not_connected'
  | 'rollback_refused';

/** What the store becomes, and the first commit of the operation that makes it so. */
export type DecidedChange = Settable & {
  readonly operation: OperationKind;
  readonly action: Action;
  /** The commit that is undone, and the one whose state is restored. */
  readonly reverts: string | null;
  readonly restores: string | null;
  /** The person's commit that becomes the store's settings. */
  readonly adopts: string | null;
};

export type ChangeDecision =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'gone' }
  | {
      readonly kind: 'refused';
      readonly code: Refusal;
      readonly message: string;
      readonly hint?: string;
    }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | ({ readonly kind: 'change' } & DecidedChange);

/** What else a decision depends on. */
export type Facts = {
  readonly now: Date;
  /** Of a rollback: the commit that it names; null: the store has no such commit. */
  readonly past?: Past | null;
};

/** What a change makes of a store. */
export function decideChange(
  standing: Standing,
  change: Change,
  offer: Offer,
  facts: Facts,
): ChangeDecision {
  const { name, status, purgeAt } = standing;
  if (status === 'deleted') return { kind: 'gone' };
  if (status === 'deleting')
    return change.kind === 'delete'
      ? { kind: 'unchanged' }
      : { kind: 'refused', code: 'store_deleting', message: `“${name}” is being deleted.` };
  // Past its time it was refused, or failed: asked for again it goes on.
  const isKept = purgeAt !== null && purgeAt > facts.now;
  if (change.kind === 'delete' && isKept && change.now !== true) return { kind: 'unchanged' };
  const cluster = offer.clusters.find((one) => one.name === standing.cluster);
  // Its rules are in its settings, and so is what its files are made with.
  if (cluster === undefined) return { kind: 'refused', ...describeUnconnected(standing.cluster) };
  if (purgeAt !== null && change.kind !== 'resume' && change.kind !== 'delete')
    return {
      kind: 'refused',
      code: 'store_kept',
      message:
        status === 'suspended'
          ? `“${name}” was deleted and is kept until ${writeMoment(purgeAt)}.`
          : `“${name}” is to be deleted: that waits for its review.`,
      hint: 'Resume it first.',
    };
  const drifted = refuseDrifted(standing, change);
  if (drifted !== null) return drifted;
  const engine = offer.engines.find(({ type }) => type === standing.type);
  switch (change.kind) {
    case 'update':
      return decideUpdate(standing, change, engine, cluster, offer);
    case 'retry':
      return renew('retry', standing, {
        options: isCurrent(engine, standing)
          ? completeOptions(engine.options, standing.options)
          : standing.options,
        attempt: standing.attempt + 1,
      });
    case 'repair':
      return renew('repair', standing, {});
    case 'adopt':
      return decideAdoption(standing, change, engine, cluster, offer);
    case 'upgrade':
      return decideUpgrade(standing, engine);
    case 'suspend':
      return standing.suspended
        ? { kind: 'unchanged' }
        : (refuseSuspension(standing, engine) ?? renew('suspend', standing, { suspended: true }));
    case 'resume':
      return standing.suspended
        ? renew('resume', standing, { suspended: false, purgeAt: null })
        : { kind: 'unchanged' };
    case 'protect':
      return standing.protected === change.protected
        ? { kind: 'unchanged' }
        : {
            kind: 'change',
            operation: 'protect',
            action: 'protect',
            ...NOTHING_UNDONE,
            ...readSettable(standing),
            protected: change.protected,
          };
    case 'rollback': {
      const decision = decideRollback(standing, facts.past ?? null, engine, cluster, offer);
      if (decision.kind === 'refused')
        return { kind: 'refused', code: 'rollback_refused', message: decision.message };
      return {
        ...renew('rollback', standing, decision.settings),
        reverts: standing.commitSha,
        restores: change.commit,
      };
    }
    case 'delete':
      return decideDelete(standing, change, engine, cluster, facts.now);
  }
}

const NOTHING_UNDONE = { reverts: null, restores: null, adopts: null } as const;

/** The store as it is, in the part that a change may set. */
export function readSettable(standing: Settable): Settable {
  const { chartVersion, plan, options, domain, host, url, generation, attempt } = standing;
  const { suspended, purgeAt, protected: isProtected } = standing;
  return {
    ...{ chartVersion, plan, options, domain, host, url, generation, attempt },
    ...{ suspended, purgeAt, protected: isProtected },
  };
}

/**
 * Whoever changes a store whose files a person changed would write over what that person did: first
 * somebody says whether it is to be kept. A kept store goes on to be resumed or purged.
 */
function refuseDrifted(
  { name, driftSha, purgeAt }: Standing,
  change: Change,
): Extract<ChangeDecision, { kind: 'refused' }> | null {
  if (driftSha === null || change.kind === 'repair' || purgeAt !== null) return null;
  if (change.kind === 'adopt' && change.commit === driftSha) return null;
  return {
    kind: 'refused',
    code: 'drifted',
    message:
      change.kind === 'adopt'
        ? `Somebody has changed the files of “${name}” again.`
        : `Somebody changed the files of “${name}” in the repository.`,
    hint: 'Look at the difference, then adopt it, or repair the store.',
  };
}

/** What a person wrote, where a request could have asked for it; the files are written anew. */
function decideAdoption(
  standing: Standing,
  change: Extract<Change, { kind: 'adopt' }>,
  engine: Engine | undefined,
  cluster: Cluster,
  offer: Offer,
): ChangeDecision {
  const { plan, domain, options } = change;
  const wanted = { kind: 'update', plan, domain, options } as const;
  const decision = decideUpdate(standing, wanted, engine, cluster, offer);
  const decided = decision.kind === 'unchanged' ? renew('update', standing, {}) : decision;
  return decided.kind === 'change' ? { ...decided, adopts: change.commit } : decided;
}

/** A new generation, with what differs. */
function renew(
  action: Exclude<Action, 'protect' | 'release' | 'remove' | 'purge'>,
  standing: Standing,
  differing: Partial<Settable>,
): { readonly kind: 'change' } & DecidedChange {
  return {
    kind: 'change',
    operation: action === 'retire' ? 'delete' : action,
    action,
    ...NOTHING_UNDONE,
    ...readSettable(standing),
    generation: standing.generation + 1,
    ...differing,
  };
}

function isCurrent(engine: Engine | undefined, { chartVersion }: Standing): engine is Engine {
  return engine?.version === chartVersion;
}

/** The version that a store's engine has now and the store has not; null: there is none. */
export function findUpgrade(
  offer: Pick<Offer, 'engines'>,
  store: { readonly type: string; readonly chartVersion: string },
): string | null {
  const version = offer.engines.find(({ type }) => type === store.type)?.version;
  return version !== undefined && isNewer(version, store.chartVersion) ? version : null;
}

function decideUpgrade(standing: Standing, engine: Engine | undefined): ChangeDecision {
  if (engine === undefined)
    return {
      kind: 'refused',
      code: 'not_offered',
      message: `Stores of type “${standing.type}” are no longer offered.`,
    };
  if (!isNewer(engine.version, standing.chartVersion)) return { kind: 'unchanged' };
  return renew('upgrade', standing, {
    chartVersion: engine.version,
    options: completeOptions(engine.options, standing.options),
  });
}

/** A chart from before there was such a thing would go on running. */
function refuseSuspension(
  standing: Standing,
  engine: Engine | undefined,
): Extract<ChangeDecision, { kind: 'refused' }> | null {
  if (engine?.unsuspendable?.includes(standing.chartVersion) !== true) return null;
  return {
    kind: 'refused',
    code: 'upgrade_needed',
    message: `Version ${standing.chartVersion} of its chart cannot be stopped and kept.`,
    hint: 'Upgrade the store first.',
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * A store that has anything to keep is retired first, where its cluster keeps data. A kept store's
 * delete is done already, unless it is to go before its time.
 */
function decideDelete(
  standing: Standing,
  change: Extract<Change, { kind: 'delete' }>,
  engine: Engine | undefined,
  cluster: Cluster,
  now: Date,
): ChangeDecision {
  if (standing.protected)
    return {
      kind: 'refused',
      code: 'protected',
      message: `“${standing.name}” is protected against deletion.`,
      hint: 'An owner can take the protection off.',
    };
  const days = cluster.retentionDays;
  const isOver = standing.purgeAt !== null;
  if (days === 0 || change.now === true || isOver || standing.commitSha === null)
    return {
      kind: 'change',
      operation: 'delete',
      action: 'release',
      ...NOTHING_UNDONE,
      ...readSettable(standing),
    };
  const refusal = refuseSuspension(standing, engine);
  if (refusal !== null)
    return { ...refusal, hint: 'Upgrade the store first, or delete it with ?now=true.' };
  const purgeAt = new Date(now.getTime() + days * DAY_MS);
  return renew('retire', standing, { suspended: true, purgeAt });
}

function decideUpdate(
  standing: Standing,
  change: Extract<Change, { kind: 'update' }>,
  engine: Engine | undefined,
  cluster: Cluster,
  offer: Offer,
): ChangeDecision {
  const errors: FieldError[] = [];
  const plan = change.plan ?? standing.plan;
  if (change.plan !== undefined && engine?.plans.includes(plan) !== true)
    errors.push(
      engine === undefined
        ? { field: 'plan', message: `Stores of type “${standing.type}” are no longer offered.` }
        : unknownPlan(engine),
    );
  const options = changeOptions(engine?.options ?? [], standing.options, change.options ?? {});
  if (!options.ok) errors.push(...options.errors);
  let address = { domain: standing.domain, host: standing.host, url: standing.url };
  if (change.domain !== undefined) {
    const named = nameAddress(cluster, standing.name, change.domain, offer);
    if (named.ok) address = named;
    else errors.push(named.error);
  }
  if (errors.length > 0 || !options.ok) return { kind: 'invalid', errors };
  if (plan === standing.plan && address.host === standing.host && options.changed.length === 0)
    return { kind: 'unchanged' };
  const { domain, host, url } = address;
  // An earlier version of the chart knows the options that it was made with.
  const isKept = options.changed.length === 0 && !isCurrent(engine, standing);
  return renew('update', standing, {
    ...{ plan, domain, host, url },
    options: isKept ? standing.options : options.options,
  });
}
