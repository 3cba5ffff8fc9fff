/**
 * What a request asks for, against what there is: pure decisions. A create is resolved to a
 * complete set of settings or to every field that is wrong; a change is compared with the store as
 * it stands. Nothing here records anything.
 */
import type { OperationKind, StoreName, StoreStatus } from './store.ts';

/** A kind of shop that can be made, and the chart that new stores of it get. */
export type Engine = {
  readonly type: string;
  readonly chart: string;
  readonly version: string;
  readonly plans: readonly string[];
};

/** A cluster that stores can be put on. */
export type Cluster = {
  readonly name: string;
  readonly baseDomain: string;
  readonly scheme: 'http' | 'https';
  /** Where the Ingress listens; left out of addresses when it is the scheme's own. */
  readonly port?: number | undefined;
};

/** Everything on offer. The first cluster is the default. */
export type Offer = {
  readonly engines: readonly Engine[];
  readonly clusters: readonly Cluster[];
};

export type FieldError = { readonly field: string; readonly message: string };

/** A store's settings, complete. */
export type Settings = {
  readonly name: StoreName;
  readonly type: string;
  readonly chart: string;
  readonly chartVersion: string;
  readonly plan: string;
  readonly cluster: string;
  /** The merchant's own domain; null when the store lives under the cluster's. */
  readonly domain: string | null;
  readonly host: string;
  readonly url: string;
};

type Resolved =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** Completes a create's settings, or lists each field that names what there is not. */
export function resolveCreate(
  request: {
    readonly name: string;
    readonly type: string;
    readonly plan: string;
    readonly cluster?: string | undefined;
    readonly domain?: string | undefined;
  },
  offer: Offer,
): Resolved {
  const errors: FieldError[] = [];
  const engine = offer.engines.find((one) => one.type === request.type);
  if (engine === undefined)
    errors.push({
      field: 'type',
      message: `No such type; there is ${list(offer.engines.map((one) => one.type))}.`,
    });
  else if (!engine.plans.includes(request.plan)) errors.push(unknownPlan(engine));
  const cluster =
    request.cluster === undefined
      ? offer.clusters[0]
      : offer.clusters.find((one) => one.name === request.cluster);
  if (cluster === undefined)
    errors.push({
      field: 'cluster',
      message: `No such cluster; there is ${list(offer.clusters.map((one) => one.name))}.`,
    });
  const address =
    cluster === undefined ? undefined : nameAddress(cluster, request.name, request.domain ?? null);
  if (address?.ok === false) errors.push(address.error);
  if (errors.length > 0 || engine === undefined || cluster === undefined || !address?.ok)
    return { ok: false, errors };
  return {
    ok: true,
    settings: {
      name: request.name as StoreName,
      type: engine.type,
      chart: engine.chart,
      chartVersion: engine.version,
      plan: request.plan,
      cluster: cluster.name,
      domain: address.domain,
      host: address.host,
      url: address.url,
    },
  };
}

/** What of a store a decision needs to know. */
export type Standing = {
  readonly name: string;
  readonly type: string;
  readonly plan: string;
  readonly cluster: string;
  readonly host: string;
  readonly domain: string | null;
  readonly url: string;
  readonly status: StoreStatus;
  readonly generation: number;
  readonly attempt: number;
};

export type Difference =
  | { readonly kind: 'same' }
  | { readonly kind: 'differs'; readonly field: string; readonly message: string }
  | { readonly kind: 'leaving'; readonly message: string };

/** A create that names a store which is there already: the same again, or something else? */
export function compareWithStanding(standing: Standing, wanted: Settings): Difference {
  if (standing.status === 'deleting')
    return {
      kind: 'leaving',
      message: `“${standing.name}” is being deleted; its name is free when that is done.`,
    };
  const fields = ['type', 'plan', 'cluster', 'host'] as const;
  const field = fields.find((one) => standing[one] !== wanted[one]);
  if (field === undefined) return { kind: 'same' };
  return {
    kind: 'differs',
    field: field === 'host' ? 'domain' : field,
    message: `A store “${standing.name}” exists with ${field} “${standing[field]}”.`,
  };
}

/** A change of an existing store, asked for. */
export type Change =
  | {
      readonly kind: 'update';
      readonly plan?: string | undefined;
      /** null: back to the default host; undefined: as it is. */
      readonly domain?: string | null | undefined;
    }
  | { readonly kind: 'retry' }
  | { readonly kind: 'delete' };

export type ChangeDecision =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | {
      readonly kind: 'change';
      readonly operation: OperationKind;
      readonly plan: string;
      readonly domain: string | null;
      readonly host: string;
      readonly url: string;
      readonly generation: number;
      readonly attempt: number;
    };

/**
 * What a change makes of a store. Every update and retry is a new generation; only a retry is a new
 * attempt. A delete keeps the generation: nothing of the store is rendered anew.
 */
export function decideChange(standing: Standing, change: Change, offer: Offer): ChangeDecision {
  if (standing.status === 'deleted') return { kind: 'gone' };
  if (standing.status === 'deleting')
    return change.kind === 'delete'
      ? { kind: 'unchanged' }
      : { kind: 'refused', message: `“${standing.name}” is being deleted.` };
  const { plan, domain, host, url, generation, attempt } = standing;
  switch (change.kind) {
    case 'delete':
      return { kind: 'change', operation: 'delete', plan, domain, host, url, generation, attempt };
    case 'retry':
      return {
        kind: 'change',
        operation: 'retry',
        plan,
        domain,
        host,
        url,
        generation: generation + 1,
        attempt: attempt + 1,
      };
    case 'update':
      return decideUpdate(standing, change, offer);
  }
}

function decideUpdate(
  standing: Standing,
  change: Extract<Change, { kind: 'update' }>,
  offer: Offer,
): ChangeDecision {
  const errors: FieldError[] = [];
  const engine = offer.engines.find((one) => one.type === standing.type);
  const cluster = offer.clusters.find((one) => one.name === standing.cluster);
  const plan = change.plan ?? standing.plan;
  if (change.plan !== undefined && engine?.plans.includes(plan) !== true)
    errors.push(
      engine === undefined
        ? { field: 'plan', message: `Stores of type “${standing.type}” are no longer offered.` }
        : unknownPlan(engine),
    );
  let address = { domain: standing.domain, host: standing.host, url: standing.url };
  if (change.domain !== undefined) {
    const named = cluster && nameAddress(cluster, standing.name, change.domain);
    if (named === undefined)
      errors.push({
        field: 'domain',
        message: `The cluster “${standing.cluster}” is not connected.`,
      });
    else if (named.ok) address = named;
    else errors.push(named.error);
  }
  if (errors.length > 0) return { kind: 'invalid', errors };
  if (plan === standing.plan && address.host === standing.host) return { kind: 'unchanged' };
  return {
    kind: 'change',
    operation: 'update',
    plan,
    domain: address.domain,
    host: address.host,
    url: address.url,
    generation: standing.generation + 1,
    attempt: standing.attempt,
  };
}

type Address =
  | {
      readonly ok: true;
      readonly domain: string | null;
      readonly host: string;
      readonly url: string;
    }
  | { readonly ok: false; readonly error: FieldError };

/**
 * A store's host and public origin. Names under the cluster's own domain are given by the platform:
 * nobody takes a neighbour's, or the portal's, by calling it a custom domain.
 */
export function nameAddress(cluster: Cluster, name: string, domain: string | null): Address {
  const ordinary = `${name}.${cluster.baseDomain}`;
  const own = domain === ordinary ? null : domain;
  if (own !== null && (own === cluster.baseDomain || own.endsWith(`.${cluster.baseDomain}`)))
    return {
      ok: false,
      error: {
        field: 'domain',
        message: `Names under ${cluster.baseDomain} are given by the platform; this store’s is ${ordinary}.`,
      },
    };
  const host = own ?? ordinary;
  if (host.length > 253)
    return { ok: false, error: { field: 'name', message: `${host} is too long for a host name.` } };
  const standard = cluster.scheme === 'https' ? 443 : 80;
  const port = cluster.port === undefined || cluster.port === standard ? '' : `:${cluster.port}`;
  return { ok: true, domain: own, host, url: `${cluster.scheme}://${host}${port}` };
}

function unknownPlan(engine: Engine): FieldError {
  return {
    field: 'plan',
    message: `No such plan for ${engine.type}; there is ${list(engine.plans)}.`,
  };
}

function list(words: readonly string[]): string {
  return words.length === 0 ? 'none' : words.join(', ');
}
