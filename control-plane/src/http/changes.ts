/** The commits of the cluster repository: lists from the index, one commit's files from git. */
import { ChangeAnswer, ChangeList, ChangeQuery, ChangesQuery, type FileDiff } from '../contract.ts';
import { findChange, listChanges, viewChange, type ChangeFilter } from '../db/changes.ts';
import type { Db } from '../db/open.ts';
import { findTenant } from '../db/tenants.ts';
import type { EngineCard } from '../domain/engine.ts';
import { PlatformError } from '../errors.ts';
import type { CommitSha, TreeReader } from '../git/types.ts';
import { isPathOfTenant } from '../render/paths.ts';
import type { RepositoryChange } from '../repository/types.ts';
import { invalidRequest, notFound } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Route } from './route.ts';
import { readStore, scopeOf } from './stores.ts';

/** What one answer holds at most. */
export const MOST_FILES = 100;
const LARGEST_FILE = 128 * 1024;

export function changeRoutes(options: {
  readonly db: Db;
  readonly engines: readonly EngineCard[];
  readonly reads: Pick<Reads, 'repository' | 'repositoryName'>;
}): Route[] {
  const { db, engines, reads } = options;

  const answerList = async (
    filter: ChangeFilter,
    query: { readonly limit: number; readonly cursor?: string | undefined },
  ) => {
    const rows = await listChanges(db, reads.repositoryName, filter, {
      before: query.cursor === undefined ? null : readCursor(query.cursor),
      limit: query.limit + 1,
    });
    const more = rows.length > query.limit;
    if (more) rows.pop();
    const last = rows.at(-1);
    const body: ChangeList = {
      changes: rows.map((row) => viewChange(row, engines)),
      next: more && last !== undefined ? String(last.position) : null,
    };
    return { status: 200, body };
  };

  return [
    route({
      method: 'GET',
      path: '/api/stores/{id}/changes',
      policy: 'reader',
      summary: 'The commits of a store, newest first',
      query: ChangeQuery,
      answers: { 200: ChangeList },
      problems: ['not_found', 'invalid_request'],
      handle: async (call) => {
        const store = await readStore(db, call);
        return answerList({ scope: scopeOf(call.principal), storeId: store.id }, call.query);
      },
    }),
    route({
      method: 'GET',
      path: '/api/changes',
      policy: 'reader',
      summary: 'The commits of all stores one may see, newest first; operators see every commit',
      query: ChangesQuery,
      answers: { 200: ChangeList },
      problems: ['invalid_request'],
      handle: async ({ principal, query }) => {
        if (query.tenant === undefined) return answerList({ scope: scopeOf(principal) }, query);
        if (principal.role !== 'operator')
          throw invalidRequest([{ field: 'tenant', message: 'Only operators name a tenant.' }]);
        const tenant = await findTenant(db, query.tenant);
        if (tenant === null) return { status: 200, body: { changes: [], next: null } };
        return answerList({ scope: tenant.id }, query);
      },
    }),
    route({
      method: 'GET',
      path: '/api/changes/{sha}',
      policy: 'reader',
      summary: 'One commit with its files, before and after; a tenant sees those of its stores',
      answers: { 200: ChangeAnswer },
      problems: ['not_found', 'repository_unavailable'],
      handle: async ({ principal, params }) => {
        const { sha = '' } = params;
        const scope = scopeOf(principal);
        if (!/^[0-9a-f]{40}$/.test(sha)) throw notFound();
        const row = await findChange(db, reads.repositoryName, sha);
        // A commit of another tenant's is not looked at; a person's may touch anybody's files.
        if (row === null || (scope !== null && row.tenantId !== null && row.tenantId !== scope))
          throw notFound();
        const change = await reads.repository.readChange(sha as CommitSha);
        if (change === null) throw notFound();
        const paths =
          scope === null
            ? change.paths
            : change.paths.filter((path) => isPathOfTenant(path, scope));
        if (scope !== null && paths.length === 0) throw notFound();
        const isWhole = paths.length === change.paths.length;
        const body: ChangeAnswer = {
          change: viewChange(row, engines),
          // What a person wrote about other tenants' files is not for this one.
          message: isWhole ? change.message : row.subject,
          files: await readFiles(change, paths.slice(0, MOST_FILES)),
          omitted: Math.max(0, paths.length - MOST_FILES),
        };
        return { status: 200, body };
      },
    }),
  ];
}

function readCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor))
    throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
  return Number(cursor);
}

export async function readFiles(
  { before, after }: RepositoryChange,
  paths: readonly string[],
): Promise<FileDiff[]> {
  const files: FileDiff[] = [];
  for (const path of paths)
    files.push(describeFile(path, await readContent(before, path), await readContent(after, path)));
  return files;
}

/** What a file holds; null: there is none. `too-large`: more than is ever read. */
export type Content = Uint8Array | null | 'too-large';

export async function readContent(tree: TreeReader, path: string): Promise<Content> {
  try {
    return await tree.read(path);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'object_too_large') return 'too-large';
    throw error;
  }
}

export function describeFile(path: string, before: Content, after: Content): FileDiff {
  const note = describeUnshown([before, after]);
  const [old = null, young = null] = [before, after].map((content) =>
    content === null || note !== null ? null : Buffer.from(content).toString('utf8'),
  );
  return { path, before: old, after: young, note };
}

/** Why content is not shown; null: it is. */
function describeUnshown(contents: readonly Content[]): string | null {
  if (contents.includes('too-large')) return 'too long to show';
  const present = contents.filter((content) => content !== null && content !== 'too-large');
  if (present.length === 0) return 'not a file';
  const length = Math.max(...present.map((content) => content.length));
  if (length > LARGEST_FILE) return `too long to show: ${length} bytes`;
  return present.some((content) => content.includes(0)) ? `binary: ${length} bytes` : null;
}
