import { error } from '@sveltejs/kit';
import { readApi } from '#lib/api.ts';
import { readPeriod } from '#lib/audit-period.ts';
import { isOwner } from '#lib/navigation.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import type { AuditList } from '#lib/shapes.ts';
import type { PageServerLoad } from './$types';

const FILTERS = ['action', 'store', 'by', 'tenant', 'from', 'to', 'cursor'] as const;

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  if (!isOwner(locals.me))
    error(403, 'The record is for the owners of an organisation and for operators.');
  const filters = readFilters(url, FILTERS);
  const { cursor = null, ...rest } = filters;
  const period = { from: undefined, to: undefined, ...readPeriod(filters) };
  const query = { ...rest, ...period };
  return {
    filters,
    list: await readApi<AuditList>(fetch, `/api/audit${writeQuery(query, { cursor })}`, url),
    exportPath: `/api/audit.ndjson${writeQuery(query)}`,
  };
};
