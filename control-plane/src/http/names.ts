/** Checking a new store's name as it is typed. */
import { StoreNameAnswer, StoreNameQuery } from '../contract.ts';
import { checkAvailability, type Availability } from '../db/availability.ts';
import type { Db } from '../db/open.ts';
import type { Cluster } from '../domain/cluster.ts';
import { checkStoreName } from '../domain/names.ts';
import { nameAddress } from '../domain/request.ts';
import { invalidRequest } from './problem.ts';
import { route, type Route } from './route.ts';
import { chooseOwner } from './tenant-choice.ts';
import type { Placer } from './placing.ts';

/** What is said of a name that cannot be had: the code and words of the create's own refusal. */
export function describeTaken(
  availability: Exclude<Availability, 'free'>,
  wanted: { readonly name: string; readonly host: string },
): { readonly code: 'name_taken' | 'host_taken' | 'store_deleting'; readonly message: string } {
  switch (availability) {
    case 'name-taken':
      return { code: 'name_taken', message: `There is a store “${wanted.name}” already.` };
    case 'name-leaving':
      return {
        code: 'store_deleting',
        message: `“${wanted.name}” is being deleted; its name is free when that is done.`,
      };
    case 'name-kept':
      return {
        code: 'store_deleting',
        message: `“${wanted.name}” was deleted and is kept for a time; its name is free when it is purged.`,
      };
    case 'host-taken':
      return {
        code: 'host_taken',
        message: `The host name ${wanted.host} is in use on this cluster.`,
      };
  }
}

export function nameRoutes(options: {
  readonly db: Db;
  readonly clusters: readonly Cluster[];
  readonly placer: Placer;
}): Route[] {
  const { db, clusters, placer } = options;
  return [
    route({
      method: 'GET',
      path: '/api/store-names/{name}',
      policy: 'reader',
      summary: 'Whether a new store could have this name',
      query: StoreNameQuery,
      answers: { 200: StoreNameAnswer },
      problems: ['invalid_request'],
      handle: async ({ principal, params, query }) => {
        const { name = '' } = params;
        if (query.tenant !== undefined && principal.role !== 'operator')
          throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
        const placement = await placer.place({ cluster: query.cluster });
        if (placement.kind === 'invalid') throw invalidRequest(placement.errors);
        const refuse = (code: string, message: string, url: string | null) => ({
          status: 200,
          body: {
            name,
            available: false,
            url,
            problem: { code, message, hint: null },
          } satisfies StoreNameAnswer,
        });
        const checked = checkStoreName(name);
        if (!checked.ok) return refuse('invalid_name', checked.message, null);
        if (placement.kind === 'refused') return refuse('no_cluster', placement.message, null);
        const { cluster } = placement;
        const address = nameAddress(cluster, name, null, { clusters });
        if (!address.ok) return refuse('invalid_name', address.error.message, null);
        const { host, url } = address;
        const tenant = await chooseOwner(db, principal, query.tenant);
        const wanted = { tenantId: tenant.id, name, cluster: cluster.name, host };
        const availability = await checkAvailability(db, wanted);
        if (availability !== 'free') {
          const { code, message } = describeTaken(availability, wanted);
          return refuse(code, message, url);
        }
        return {
          status: 200,
          body: { name, available: true, url, problem: null } satisfies StoreNameAnswer,
        };
      },
    }),
  ];
}
