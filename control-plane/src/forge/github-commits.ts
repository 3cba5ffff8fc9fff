/**
 * Commits made by GitHub itself, for repositories that take signed commits only: GitHub signs what
 * its API commits, with the name of whoever the credential is. One call is one commit, by
 * compare-and-swap on `expectedHeadOid`, as a push by its old id; never forced. The writer does not
 * use it yet.
 */
import { PlatformError } from '../errors.ts';
import { parseCommitSha } from '../git/objects.ts';
import type { CommitSha, FileChange } from '../git/types.ts';
import type { GithubForge } from './github.ts';

type PublishedCommit =
  | { readonly kind: 'committed'; readonly sha: CommitSha }
  /** The branch is at another commit: refresh, and plan again. */
  | { readonly kind: 'moved' };

/**
 * Adds one commit to the branch that Argo CD follows. Changes name files; a folder goes file by file.
 * Throws `push_unknown` (retryable) when the answer is lost: look for your Operation-Id.
 */
type PublishCommit = (commit: {
  readonly expectedHead: CommitSha;
  readonly message: string;
  readonly changes: readonly FileChange[];
}) => Promise<PublishedCommit>;

const CREATE_COMMIT = `mutation ($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}`;

type Created = { createCommitOnBranch: { commit: { oid: string } | null } | null };

export function createCommitPublisher(forge: GithubForge, branch: string): PublishCommit {
  const { client, repository } = forge;
  return async ({ expectedHead, message, changes }) => {
    const [headline = '', ...rest] = message.split('\n');
    const input = {
      branch: {
        repositoryNameWithOwner: `${repository.owner}/${repository.repo}`,
        branchName: branch,
      },
      expectedHeadOid: expectedHead,
      message: { headline, body: rest.join('\n').trim() },
      fileChanges: {
        additions: changes.flatMap(({ path, content }) =>
          content === null
            ? []
            : [{ path: confine(path), contents: Buffer.from(content).toString('base64') }],
        ),
        deletions: changes.flatMap(({ path, content }) =>
          content === null ? [{ path: confine(path) }] : [],
        ),
      },
    };
    const answer = await client.query<Created>(CREATE_COMMIT, { input }).catch((error: unknown) => {
      throw describeFailure(error);
    });
    if (answer.kind === 'ok') {
      const oid = answer.data.createCommitOnBranch?.commit?.oid;
      if (oid === undefined) throw describeUnknown('the answer names no commit');
      return { kind: 'committed', sha: parseCommitSha(oid) };
    }
    if (answer.type === 'STALE_DATA' || /expected branch to point to/i.test(answer.reason))
      return { kind: 'moved' };
    throw new PlatformError('push_rejected', `GitHub refused the commit: ${answer.reason}`, {
      hint: 'Check the branch’s rules, and that our credential may write to it.',
    });
  };
}

function confine(path: string): string {
  if (!path.endsWith('/')) return path;
  throw new Error(`a commit of GitHub's removes files, not folders: ${path}`);
}

/** No answer, or one that does not say whether the commit was made, is not a refusal. */
function describeFailure(error: unknown): unknown {
  const isLost =
    error instanceof PlatformError &&
    (error.code === 'forge_unreachable' || error.code === 'forge_failed');
  return isLost ? describeUnknown(error.message, error) : error;
}

function describeUnknown(why: string, cause?: Error): PlatformError {
  return new PlatformError('push_unknown', `whether the commit was made is not known: ${why}`, {
    retryable: true,
    cause,
  });
}
