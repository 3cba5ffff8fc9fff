/** The stand-in's GraphQL: the one mutation the adapter uses, run on GitHub's published schema. */
import { schema as published } from '@octokit/graphql-schema';
import { buildSchema, graphql, GraphQLError, type GraphQLSchema } from 'graphql';
import type { Permissions, StandInWorld } from './github-stand-in-rest.ts';
import type { Json } from './github-schemas.ts';

type Input = {
  readonly branch: { readonly repositoryNameWithOwner?: string; readonly branchName?: string };
  readonly expectedHeadOid: string;
  readonly message: { readonly headline: string; readonly body?: string };
  readonly fileChanges?: {
    readonly additions?: readonly { readonly path: string; readonly contents: string }[];
    readonly deletions?: readonly { readonly path: string }[];
  };
};

let github: GraphQLSchema | null = null;

/** The answer as it goes out; queries that GitHub's schema refuses are problems. */
export async function serveGraphql(
  world: StandInWorld,
  request: { readonly query: string; readonly variables: Json; readonly permissions: Permissions },
  problem: (what: string) => void,
): Promise<Json> {
  github ??= buildSchema(published.idl, { assumeValid: true });
  const result = await graphql({
    schema: github,
    source: request.query,
    variableValues: request.variables,
    rootValue: {
      createCommitOnBranch: ({ input }: { input: Input }) =>
        createCommit(world, input, request.permissions),
    },
  });
  const errors = (result.errors ?? []).map((error) => {
    const type = error.extensions['type'];
    if (typeof type !== 'string') problem(`GraphQL: ${error.message}`);
    return { type, path: error.path, locations: error.locations, message: error.message };
  });
  return { data: result.data ?? null, ...(errors.length === 0 ? {} : { errors }) };
}

function createCommit(world: StandInWorld, input: Input, permissions: Permissions): object {
  const { owner, name, main, repository, pulls, rules } = world;
  if (permissions['contents'] !== 'write')
    throw refuse('FORBIDDEN', 'Resource not accessible by personal access token');
  const { repositoryNameWithOwner, branchName = '' } = input.branch;
  const tip = repository.tip(branchName);
  if (repositoryNameWithOwner !== `${owner}/${name}` || tip === null)
    throw refuse('NOT_FOUND', 'A branch was not found for the provided parameters.');
  if (tip !== input.expectedHeadOid)
    throw refuse(
      'STALE_DATA',
      `Expected branch to point to "${input.expectedHeadOid}" but it did not.  Pull and try again.`,
    );
  if (branchName === main && rules.pullRequests)
    throw refuse('UNPROCESSABLE', 'Changes must be made through a pull request.');
  const { additions = [], deletions = [] } = input.fileChanges ?? {};
  const missing = deletions.find(({ path }) => !repository.has(tip, path));
  if (missing !== undefined)
    throw refuse('UNPROCESSABLE', `A path was requested for deletion which does not exist`);
  const commit = repository.commit({
    tree: repository.change(tip, [
      ...additions.map(({ path, contents }) => ({
        path,
        content: Buffer.from(contents, 'base64'),
      })),
      ...deletions.map(({ path }) => ({ path, content: null })),
    ]),
    parents: [tip],
    message: [input.message.headline, input.message.body ?? ''].join('\n\n'),
  });
  if (!repository.move(branchName, tip, commit))
    throw refuse('STALE_DATA', `Expected branch to point to "${tip}" but it did not.`);
  pulls.sync();
  return { commit: { oid: commit } };
}

function refuse(type: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { type } });
}
