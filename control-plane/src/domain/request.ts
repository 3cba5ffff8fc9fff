/**
 * What a create asks for, against what there is: pure decisions. It is resolved to a complete set of
 * settings or to every field that is wrong, and compared with a store that has the name already.
 * Nothing here records anything; changes of stores are change.ts's.
 */
import type { Cluster } from './cluster.ts';
import { chooseOptions, findDifference, type EngineOption, type StoreOptions } from './options.ts';
import { writeMoment } from './moments.ts';
import type { StoreName, StoreStatus } from './store.ts';

/** A kind of shop that can be made, and the chart that new stores of it get. */
export type Engine = {
  readonly type: string;
  readonly chart: string;
  readonly version: string;
  readonly plans: readonly string[];
  readonly options: readonly EngineOption[];
  /** Versions of the chart that change a store's data for good, and why: nothing goes back across. */
  readonly irreversible?: Readonly<Record<string, string>>;
  /** Versions of the chart that cannot be told to run nothing. */
  readonly unsuspendable?: readonly string[];
};

/** Everything on offer. The first cluster is the default. */
export type Offer = {
  readonly engines: readonly Engine[];
  readonly clusters: readonly Cluster[];
  /** Host names that no store gets: the portal's. */
  readonly reservedHosts?: readonly string[];
};

export type FieldError = { readonly field: string; readonly message: string };

/** A store's settings, complete. */
export type Settings = {
  readonly name: StoreName;
  readonly type: string;
  readonly chart: string;
  readonly chartVersion: string;
  readonly plan: string;
  /** A value for each of the engine's options. */
  readonly options: StoreOptions;
  readonly cluster: string;
  /** The request named no cluster: the same store on another one is the same store. */
  readonly placed: boolean;
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
    /** The cluster is our choice: the request named none. */
    readonly placed?: boolean;
    readonly domain?: string | undefined;
    readonly options?: StoreOptions | undefined;
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
  const options = chooseOptions(engine?.options ?? [], request.options ?? {});
  if (engine !== undefined && !options.ok) errors.push(...options.errors);
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
    cluster === undefined
      ? undefined
      : nameAddress(cluster, request.name, request.domain ?? null, offer);
  if (address?.ok === false) errors.push(address.error);
  if (
    errors.length > 0 ||
    engine === undefined ||
    !options.ok ||
    cluster === undefined ||
    !address?.ok
  )
    return { ok: false, errors };
  return {
    ok: true,
    settings: {
      name: request.name as StoreName,
      type: engine.type,
      chart: engine.chart,
      chartVersion: engine.version,
      plan: request.plan,
      options: options.options,
      cluster: cluster.name,
      placed: request.placed ?? request.cluster === undefined,
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
  readonly options: StoreOptions;
  readonly cluster: string;
  readonly host: string;
  readonly domain: string | null;
  readonly url: string;
  readonly status: StoreStatus;
  readonly chartVersion: string;
  readonly generation: number;
  readonly attempt: number;
  readonly suspended: boolean;
  /** Deleted, and kept until then. */
  readonly purgeAt: Date | null;
  readonly protected: boolean;
  /** Its last commit; null: nothing of it was ever committed. */
  readonly commitSha: string | null;
  /** The newest commit of a person's that changed its files; null: they are as ours. */
  readonly driftSha: string | null;
};

/** What of a store a change may set. */
export type Settable = Pick<
  Standing,
  | 'chartVersion'
  | 'plan'
  | 'options'
  | 'domain'
  | 'host'
  | 'url'
  | 'generation'
  | 'attempt'
  | 'suspended'
  | 'purgeAt'
  | 'protected'
>;

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
  if (standing.purgeAt !== null)
    return {
      kind: 'leaving',
      message: `“${standing.name}” was deleted and is kept until ${writeMoment(standing.purgeAt)}: resume it, or purge it to have its name.`,
    };
  const fields = wanted.placed
    ? (['type', 'plan', 'domain'] as const)
    : (['type', 'plan', 'cluster', 'host'] as const);
  const field = fields.find((one) => standing[one] !== wanted[one]);
  if (field === undefined) {
    const option = findDifference(standing.options, wanted.options);
    return option === null
      ? { kind: 'same' }
      : {
          kind: 'differs',
          field: `options.${option}`,
          message: `A store “${standing.name}” exists with another ${option}.`,
        };
  }
  const isHost = field === 'host' || field === 'domain';
  const there = isHost ? `host “${standing.host}”` : `${field} “${standing[field]}”`;
  return {
    kind: 'differs',
    field: isHost ? 'domain' : field,
    message: `A store “${standing.name}” exists with ${there}.`,
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
 * A store's host and public origin. Names under a cluster's own domain are given by the platform:
 * nobody takes a neighbour's, or the portal's, by calling it a custom domain.
 */
export function nameAddress(
  cluster: Cluster,
  name: string,
  domain: string | null,
  platform: Pick<Offer, 'clusters' | 'reservedHosts'>,
): Address {
  const ordinary = `${name}.${cluster.baseDomain}`;
  const own = domain === ordinary ? null : domain;
  const base = platform.clusters
    .map(({ baseDomain }) => baseDomain)
    .find((one) => own === one || own?.endsWith(`.${one}`) === true);
  if (base !== undefined)
    return refuseDomain(
      `Names under ${base} are given by the platform; this store’s is ${ordinary}.`,
    );
  if (own !== null && platform.reservedHosts?.includes(own) === true)
    return refuseDomain(`${own} is the platform’s own address.`);
  const host = own ?? ordinary;
  if (host.length > 253)
    return { ok: false, error: { field: 'name', message: `${host} is too long for a host name.` } };
  const standard = cluster.scheme === 'https' ? 443 : 80;
  const port = cluster.port === undefined || cluster.port === standard ? '' : `:${cluster.port}`;
  return { ok: true, domain: own, host, url: `${cluster.scheme}://${host}${port}` };
}

function refuseDomain(message: string): Address {
  return { ok: false, error: { field: 'domain', message } };
}

export function unknownPlan(engine: Engine): FieldError {
  return {
    field: 'plan',
    message: `No such plan for ${engine.type}; there is ${list(engine.plans)}.`,
  };
}

function list(words: readonly string[]): string {
  return words.length === 0 ? 'none' : words.join(', ');
}
