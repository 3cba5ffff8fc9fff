/**
 * The stand-in's pull requests: kept in memory, judged by the real branches each time they are looked
 * at. As on GitHub, whether one can be merged is worked out after somebody asked, anew for each state
 * of branch and base; merging before that is refused with the words GitHub has for it.
 */
import type { StandInRepository } from './github-stand-in-repository.ts';
import { takeExample, type Json } from './github-schemas.ts';

export type StandInPull = {
  readonly number: number;
  readonly branch: string;
  /** Of a fork, by its owner; null: of the repository itself. */
  readonly fork: string | null;
  title: string;
  body: string;
  readonly labels: Set<string>;
  readonly comments: string[];
  state: 'open' | 'closed';
  mergedSha: string | null;
  /** Where the branch was last seen. */
  headSha: string;
  /** Where the main branch was when it was opened or last looked at. */
  baseSha: string;
  /** Approving reviews it has. */
  approvals: number;
};

export type StandInPulls = {
  readonly all: readonly StandInPull[];
  open(draft: { branch: string; title: string; body: string }): StandInPull;
  /** As somebody does who may only read: a commit as a branch of their own fork. */
  openFromFork(draft: { owner: string; branch: string; headSha: string }): StandInPull;
  find(number: number): StandInPull | null;
  /** Takes over what happened to the branches: pushes, removals, merges by hand. */
  sync(): void;
  /** null: not worked out yet; asking sets it going. */
  judge(pull: StandInPull): 'clean' | 'dirty' | null;
  /** As GitHub's “Get a pull request” has it. */
  describe(pull: StandInPull): Json;
  /** As its list has it. */
  describeShortly(pull: StandInPull): Json;
  /** Its label, as “Add labels” answers. */
  describeLabel(name: string): Json;
};

export function createStandInPulls(
  repository: StandInRepository,
  where: {
    readonly owner: string;
    readonly name: string;
    readonly main: string;
    readonly url: string;
  },
): StandInPulls {
  const { owner, name, main, url } = where;
  const pulls: StandInPull[] = [];
  /** What each pull request was judged to be, of which two commits. */
  const judged = new Map<number, { of: string; verdict: 'clean' | 'dirty' | null }>();
  const simple = (takeExample('pull-request-simple-items') as unknown as Json[])[0] ?? {};
  const whole = takeExample('pull-request');
  const label = (takeExample('label-items') as unknown as Json[])[0] ?? {};
  const page = `${url}/${owner}/${name}`;

  const describeLabel = (text: string): Json => ({ ...label, name: text, description: '' });
  const describeHead = (example: Json, { branch, fork, headSha }: StandInPull): Json => {
    const from = fork ?? owner;
    const repo = example['repo'] as Json;
    const own = { ...repo, id: Number(repo['id']) + 1, full_name: `${from}/${name}`, fork: true };
    return {
      ...structuredClone(example),
      label: `${from}:${branch}`,
      ref: branch,
      sha: headSha,
      repo: fork === null ? repo : own,
    };
  };
  const describeParts = (example: Json, pull: StandInPull): Json => {
    const api = `${url}/api/v3/repos/${owner}/${name}/pulls/${String(pull.number)}`;
    const isMerged = pull.mergedSha !== null;
    const at = '2026-01-02T03:04:05Z';
    return {
      ...structuredClone(example),
      url: api,
      html_url: `${page}/pull/${String(pull.number)}`,
      number: pull.number,
      state: pull.state,
      title: pull.title,
      body: pull.body,
      labels: [...pull.labels].map(describeLabel),
      // The team of GitHub's own example does not fit its schema.
      requested_teams: [],
      closed_at: pull.state === 'open' ? null : at,
      merged_at: isMerged ? at : null,
      // While it is open this is a commit that GitHub only tries.
      merge_commit_sha: pull.mergedSha ?? (pull.state === 'open' ? 'f'.repeat(40) : null),
      head: describeHead(example['head'] as Json, pull),
      base: {
        ...(example['base'] as Json),
        label: `${owner}:${main}`,
        ref: main,
        sha: pull.baseSha,
      },
    };
  };

  const add = (
    draft: Pick<StandInPull, 'branch' | 'fork' | 'title' | 'body' | 'headSha'>,
  ): StandInPull => {
    const pull: StandInPull = {
      ...draft,
      number: pulls.length + 1,
      labels: new Set(),
      comments: [],
      state: 'open',
      mergedSha: null,
      baseSha: repository.tip(main) ?? '',
      approvals: 0,
    };
    pulls.push(pull);
    return pull;
  };
  const self: StandInPulls = {
    all: pulls,
    open: ({ branch, title, body }) =>
      add({ branch, fork: null, title, body, headSha: repository.tip(branch) ?? '' }),
    openFromFork: ({ owner: fork, branch, headSha }) =>
      add({ branch, fork, title: 'From a fork', body: '', headSha }),
    find: (number) => pulls.find((pull) => pull.number === number) ?? null,
    sync() {
      const base = repository.tip(main) ?? '';
      for (const pull of pulls) {
        if (pull.state !== 'open') continue;
        const head = pull.fork === null ? repository.tip(pull.branch) : pull.headSha;
        if (head !== null) pull.headSha = head;
        pull.baseSha = base;
        if (repository.isAncestor(pull.headSha, base)) {
          pull.mergedSha = findArrival(repository, main, pull.headSha);
          pull.state = 'closed';
        } else if (head === null) pull.state = 'closed';
      }
    },
    judge(pull) {
      const of = `${pull.baseSha} ${pull.headSha}`;
      const known = judged.get(pull.number);
      if (known?.of !== of) {
        judged.set(pull.number, { of, verdict: null });
        return null;
      }
      known.verdict ??=
        repository.tryMerge(pull.baseSha, pull.headSha).kind === 'clean' ? 'clean' : 'dirty';
      return known.verdict;
    },
    describe(pull) {
      const verdict = pull.state === 'open' ? self.judge(pull) : null;
      return {
        ...describeParts(whole, pull),
        merged: pull.mergedSha !== null,
        mergeable: verdict === null ? null : verdict === 'clean',
        mergeable_state: verdict ?? 'unknown',
        comments: pull.comments.length,
      };
    },
    describeShortly: (pull) => describeParts(simple, pull),
    describeLabel,
  };
  return self;
}

/** The commit of the main branch's own line by which another arrived on it. */
function findArrival(repository: StandInRepository, main: string, sha: string): string {
  const line = repository
    .git(['rev-list', '--first-parent', '--reverse', `refs/heads/${main}`])
    .trim()
    .split('\n');
  return line.find((commit) => repository.isAncestor(sha, commit)) ?? sha;
}
