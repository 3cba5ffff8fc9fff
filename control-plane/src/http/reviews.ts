/**
 * Changes that wait for a review: lists, one with its files, and on a forge of our own the decision.
 * A decision is recorded here and carried out by the writer: a request never touches git.
 */
import {
  ApproveReview,
  RejectReview,
  ReviewAnswer,
  ReviewDetail,
  ReviewList,
  ReviewQuery,
} from '../contract.ts';
import {
  decideReview,
  findReview,
  listReviews,
  viewReview,
  type ReviewDecision,
} from '../db/review-list.ts';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import type { ForgeKind } from '../forge/types.ts';
import type { CommitSha } from '../git/types.ts';
import { isPathOfTenant } from '../render/paths.ts';
import { MOST_FILES, readFiles } from './changes.ts';
import { invalidRequest, notConnected, notFound, RequestProblem } from './problem.ts';
import type { Reads } from './reads.ts';
import { route, type Answer, type Call, type Route } from './route.ts';
import { scopeOf } from './stores.ts';

export type ReviewRouteOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly reads: Pick<Reads, 'repository' | 'repositoryName'>;
  readonly forgeKind: ForgeKind;
  readonly clusters: readonly { readonly name: string }[];
  /** Something was recorded that the writer should look at. */
  readonly announce: () => void;
};

export function reviewRoutes(options: ReviewRouteOptions): Route[] {
  const { db, clock, reads, forgeKind, clusters, announce } = options;
  const repository = reads.repositoryName;

  const decide = async (call: Call<unknown, unknown>, wanted: ReviewDecision): Promise<Answer> => {
    const number = readNumber(call);
    const known = await findReview(db, repository, scopeOf(call.principal), number);
    if (known === null) throw notFound();
    if (forgeKind !== 'embedded')
      throw new RequestProblem(
        'review_elsewhere',
        `Pull request #${number} is decided on ${forgeKind === 'github' ? 'GitHub' : 'Gitea'}.`,
        known.url === null ? {} : { hint: `Merge or close it at ${known.url}.` },
      );
    if (!clusters.some(({ name }) => name === known.cluster)) throw notConnected(known.cluster);
    const outcome = await decideReview(db, call, { repository, number }, wanted, clock());
    switch (outcome.kind) {
      case 'not-found':
        throw notFound();
      case 'over':
        throw new RequestProblem('review_over', `Pull request #${number} is no longer open.`);
      case 'taken':
        throw new RequestProblem(
          'review_over',
          `What was decided about pull request #${number} is being carried out.`,
        );
      case 'moved':
        throw new RequestProblem(
          'review_moved',
          `Pull request #${number} is at another commit than the one that was looked at.`,
          { hint: `Look at ${outcome.headSha}, then decide.` },
        );
      case 'foreign':
        throw new RequestProblem(
          'review_moved',
          `The branch of pull request #${number} has commits that Shopyard did not write.`,
          { hint: 'Reject it and ask for the change again, or merge the branch with git.' },
        );
      case 'decided':
        announce();
        return { status: 202, body: { review: viewReview(outcome.review) } satisfies ReviewAnswer };
    }
  };

  return [
    route({
      method: 'GET',
      path: '/api/reviews',
      policy: 'reader',
      summary:
        'Changes that were or are to be reviewed, newest first; operators see every tenant’s',
      query: ReviewQuery,
      answers: { 200: ReviewList },
      problems: ['invalid_request'],
      handle: async ({ principal, query }) => {
        const { state, cursor, limit } = query;
        const before = cursor === undefined ? null : readCursor(cursor);
        const rows = await listReviews(
          db,
          { repository, scope: scopeOf(principal), state },
          { before, limit: limit + 1 },
        );
        const more = rows.length > limit;
        if (more) rows.pop();
        const last = rows.at(-1);
        const body: ReviewList = {
          reviews: rows.map(viewReview),
          next: more && last !== undefined ? String(last.number) : null,
        };
        return { status: 200, body };
      },
    }),
    route({
      method: 'GET',
      path: '/api/reviews/{number}',
      policy: 'reader',
      summary: 'One pull request, with its text and its files, before and after',
      answers: { 200: ReviewDetail },
      problems: ['not_found', 'repository_unavailable'],
      handle: async (call) => {
        const scope = scopeOf(call.principal);
        const row = await findReview(db, repository, scope, readNumber(call));
        if (row === null) throw notFound();
        // All that a merge would bring, not the last commit of the branch alone.
        const change = await reads.repository.readChange(
          row.headSha as CommitSha,
          (row.baseSha ?? undefined) as CommitSha | undefined,
        );
        const paths = (change?.paths ?? []).filter(
          (path) => scope === null || isPathOfTenant(path, scope),
        );
        const body: ReviewDetail = {
          review: viewReview(row),
          body: row.body,
          decidedHere: forgeKind === 'embedded',
          files: change === null ? [] : await readFiles(change, paths.slice(0, MOST_FILES)),
          omitted: Math.max(0, paths.length - MOST_FILES),
          note:
            change === null
              ? 'Its branch is gone, and its commit with it.'
              : row.state === 'open' && row.headSha !== row.ourSha
                ? 'Somebody added commits to this branch: it is no longer only what was asked for.'
                : null,
        };
        return { status: 200, body };
      },
    }),
    route({
      method: 'POST',
      path: '/api/reviews/{number}/approve',
      policy: 'operator',
      summary: 'Approve what was looked at: it is merged; only where the repository is kept here',
      body: ApproveReview,
      answers: { 202: ReviewAnswer },
      problems: [
        'not_found',
        'malformed_json',
        'invalid_request',
        'review_over',
        'review_moved',
        'review_elsewhere',
        'cluster_not_connected',
      ],
      handle: (call) => decide(call, { kind: 'approved', headSha: call.body.headSha }),
    }),
    route({
      method: 'POST',
      path: '/api/reviews/{number}/reject',
      policy: 'operator',
      summary: 'Reject a change: the store stays as it is; only where the repository is kept here',
      body: RejectReview,
      answers: { 202: ReviewAnswer },
      problems: [
        'not_found',
        'malformed_json',
        'invalid_request',
        'review_over',
        'review_elsewhere',
        'cluster_not_connected',
      ],
      handle: (call) => decide(call, { kind: 'rejected', reason: call.body?.reason ?? null }),
    }),
  ];
}

/** What cannot be a number of ours is nobody's: the same 404. */
function readNumber(call: Call<unknown, unknown>): number {
  const { number = '' } = call.params;
  if (!/^[1-9]\d{0,8}$/.test(number)) throw notFound();
  return Number(number);
}

function readCursor(cursor: string): number {
  if (!/^\d{1,9}$/.test(cursor))
    throw invalidRequest([{ field: 'cursor', message: 'This is not a cursor of ours.' }]);
  return Number(cursor);
}
