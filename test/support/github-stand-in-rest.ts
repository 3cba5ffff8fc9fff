/** The stand-in's REST operations: the adapter's, in GitHub's statuses and words. */
import { checkAnswer, checkRequest, takeExample, type Json } from './github-schemas.ts';
import type { StandInPull, StandInPulls } from './github-stand-in-pulls.ts';
import type { BranchRules, StandInRepository } from './github-stand-in-repository.ts';

/** What a credential may do: `contents` → `write`. */
export type Permissions = Readonly<Record<string, string>>;

export type StandInWorld = {
  readonly owner: string;
  readonly name: string;
  readonly main: string;
  readonly origin: string;
  readonly repository: StandInRepository;
  readonly pulls: StandInPulls;
  rules: BranchRules;
  isArchived: boolean;
  /** What the repository's settings allow. */
  mergeMethods: readonly string[];
};

export type Answer = {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

type Call = {
  readonly world: StandInWorld;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Json;
  readonly permissions: Permissions;
};

type Operation = {
  readonly method: string;
  /** As GitHub's description has it. */
  readonly path: string;
  /** Alternatives of what is needed, as GitHub's header lists them. */
  readonly needs: readonly (readonly [permission: string, access: 'read' | 'write'])[];
  readonly handle: (call: Call) => Answer;
};

const DOCUMENTATION = 'https://docs.github.com/rest';

export function refuse(status: number, message: string, errors?: readonly Json[]): Answer {
  return {
    status,
    body: {
      message,
      documentation_url: DOCUMENTATION,
      ...(errors === undefined ? { status: String(status) } : { errors }),
    },
  };
}

const OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}',
    needs: [['metadata', 'read']],
    handle: ({ world, permissions }) => {
      const push = permissions['contents'] === 'write';
      return {
        status: 200,
        body: {
          ...takeRepository(),
          name: world.name,
          full_name: `${world.owner}/${world.name}`,
          html_url: `${world.origin}/${world.owner}/${world.name}`,
          default_branch: world.main,
          archived: world.isArchived,
          permissions: { admin: false, maintain: false, push, triage: push, pull: true },
        },
      };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/pulls',
    needs: [['pull_requests', 'read']],
    handle: ({ world: { owner, pulls, main, origin }, query }) => {
      const state = query.get('state') ?? 'open';
      const head = query.get('head');
      const found = pulls.all
        .filter((pull) => state === 'all' || pull.state === state)
        .filter((pull) => head === null || head === `${pull.fork ?? owner}:${pull.branch}`)
        .filter(() => (query.get('base') ?? main) === main)
        .toSorted((a, b) => b.number - a.number);
      const size = Math.min(Number(query.get('per_page') ?? 30), 100);
      const page = Number(query.get('page') ?? 1);
      const shown = found.slice((page - 1) * size, page * size);
      return {
        status: 200,
        body: shown.map((pull) => pulls.describeShortly(pull)),
        ...(found.length > page * size
          ? { headers: { link: nextPage(origin, query, page + 1) } }
          : {}),
      };
    },
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/pulls',
    needs: [['pull_requests', 'write']],
    handle: ({ world: { owner, pulls, repository, main }, body }) => {
      const { title, head, base, body: text = '' } = body as Record<string, string>;
      if (title === undefined || head === undefined || base !== main)
        return refuse(422, 'Validation Failed', [invalid('base')]);
      const tooLong = checkText(title, text);
      if (tooLong !== null) return tooLong;
      const tip = repository.tip(head);
      if (tip === null) return refuse(422, 'Validation Failed', [invalid('head')]);
      const isTaken = pulls.all.some(
        (pull) => pull.state === 'open' && pull.branch === head && pull.fork === null,
      );
      if (isTaken) return custom(`A pull request already exists for ${owner}:${head}.`);
      if (repository.isAncestor(tip, repository.tip(main) ?? ''))
        return custom(`No commits between ${main} and ${head}`);
      const made = pulls.open({ branch: head, title, body: text });
      return { status: 201, body: pulls.describe(made) };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/pulls/{pull_number}',
    needs: [['pull_requests', 'read']],
    handle: (call) =>
      onPull(call, (pull) => ({ status: 200, body: call.world.pulls.describe(pull) })),
  },
  {
    method: 'PATCH',
    path: '/repos/{owner}/{repo}/pulls/{pull_number}',
    needs: [['pull_requests', 'write']],
    handle: (call) =>
      onPull(call, (pull) => {
        const { title, body, state } = call.body as Record<string, string | undefined>;
        const tooLong = checkText(title ?? '', body ?? '');
        if (tooLong !== null) return tooLong;
        if (state === 'open' && pull.mergedSha !== null)
          return refuse(422, 'Validation Failed', [invalid('state')]);
        pull.title = title ?? pull.title;
        pull.body = body ?? pull.body;
        if (state === 'open' || state === 'closed') pull.state = state;
        return { status: 200, body: call.world.pulls.describe(pull) };
      }),
  },
  {
    method: 'PUT',
    path: '/repos/{owner}/{repo}/pulls/{pull_number}/merge',
    needs: [['contents', 'write']],
    handle: (call) => onPull(call, (pull) => merge(call, pull)),
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/issues/{issue_number}/labels',
    needs: [
      ['issues', 'write'],
      ['pull_requests', 'write'],
    ],
    handle: (call) =>
      onPull(call, (pull) => {
        const labels = (call.body['labels'] ?? []) as string[];
        if (labels.some((label) => label.length > 50))
          return refuse(422, 'Validation Failed', [invalid('name')]);
        for (const label of labels) pull.labels.add(label);
        const { pulls } = call.world;
        return { status: 200, body: [...pull.labels].map((one) => pulls.describeLabel(one)) };
      }),
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/issues/{issue_number}/comments',
    needs: [
      ['issues', 'write'],
      ['pull_requests', 'write'],
    ],
    handle: (call) =>
      onPull(call, (pull) => {
        const text = call.body['body'] as string;
        const tooLong = checkText('', text);
        if (tooLong !== null) return tooLong;
        pull.comments.push(text);
        return { status: 201, body: { ...takeExample('issue-comment'), body: text } };
      }),
  },
  {
    method: 'DELETE',
    path: '/repos/{owner}/{repo}/git/refs/{ref}',
    needs: [['contents', 'write']],
    handle: ({ world: { repository, pulls, main }, params }) => {
      const branch = (params['ref'] ?? '').replace(/^heads\//, '');
      const tip = repository.tip(branch);
      if (tip === null) return refuse(422, 'Reference does not exist');
      if (branch === main) return refuse(422, 'Cannot delete the default branch');
      repository.move(branch, tip, null);
      pulls.sync();
      return { status: 204, body: null };
    },
  },
];

/** Of no fork; and with a language, which GitHub's schema wants and its example lacks. */
function takeRepository(): Json {
  const example = takeExample('full-repository-default-response');
  delete example['parent'];
  delete example['source'];
  return { ...example, language: null };
}

/** Finds and carries out an operation; problems are what GitHub's schemas do not know. */
export function serveRest(
  world: StandInWorld,
  request: {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
    readonly body: Json | null;
    readonly permissions: Permissions;
  },
  problem: (what: string) => void,
): Answer {
  for (const operation of OPERATIONS) {
    if (operation.method !== request.method) continue;
    const params = matchPath(operation.path, request.path);
    if (params === null) continue;
    const wrong = checkRequest(operation.path, operation.method, request.body);
    if (wrong !== null) problem(`${request.method} ${request.path} was asked with: ${wrong}`);
    const answer = isAllowed(operation, request.permissions)
      ? params['owner'] === world.owner && params['repo'] === world.name
        ? operation.handle({ ...request, world, params, body: request.body ?? {} })
        : refuse(404, 'Not Found')
      : forbid(operation);
    const unfit = checkAnswer(operation.path, operation.method, answer.status, answer.body);
    if (unfit !== null) problem(`${request.method} ${request.path} answers: ${unfit}`);
    return answer;
  }
  problem(`${request.method} ${request.path} is not one of the stand-in's`);
  return refuse(404, 'Not Found');
}

/** `{ref}` may have slashes in it; the others have none. */
function matchPath(template: string, path: string): Record<string, string> | null {
  const pattern = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'ref' ? `(?<${name}>.+)` : `(?<${name}>[^/]+)`,
  );
  const groups = new RegExp(`^${pattern}$`).exec(path)?.groups;
  if (groups === undefined) return null;
  return Object.fromEntries(
    Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
  );
}

function isAllowed({ needs }: Operation, permissions: Permissions): boolean {
  return needs.some(
    ([name, access]) => permissions[name] === 'write' || permissions[name] === access,
  );
}

function forbid({ needs }: Operation): Answer {
  return {
    ...refuse(403, 'Resource not accessible by personal access token'),
    headers: {
      'x-accepted-github-permissions': needs
        .map(([name, access]) => `${name}=${access}`)
        .join('; '),
    },
  };
}

function onPull(call: Call, handle: (pull: StandInPull) => Answer): Answer {
  const { pulls } = call.world;
  // What is said beneath one has nothing to do with its branches.
  if (call.params['pull_number'] !== undefined) pulls.sync();
  const number = Number(call.params['pull_number'] ?? call.params['issue_number']);
  const pull = pulls.find(number);
  return pull === null ? refuse(404, 'Not Found') : handle(pull);
}

function merge({ world, body }: Call, pull: StandInPull): Answer {
  const { pulls, repository, main, rules, mergeMethods } = world;
  const { sha, merge_method: method = 'merge' } = body as Record<string, string>;
  if (pull.state !== 'open') return refuse(405, 'Pull Request is not mergeable');
  if (sha !== undefined && sha !== pull.headSha)
    return refuse(409, 'Head branch was modified. Review and try the merge again.');
  if (!mergeMethods.includes(method) || method !== 'merge')
    return refuse(405, 'Merge commits are not allowed on this repository.');
  if (pull.approvals < rules.approvals)
    return refuse(
      405,
      `At least ${String(rules.approvals)} approving review is required by reviewers with write access.`,
    );
  const verdict = pulls.judge(pull);
  if (verdict === null)
    return refuse(405, 'Base branch was modified. Review and try the merge again.');
  const base = repository.tip(main) ?? '';
  const tried = repository.tryMerge(base, pull.headSha);
  if (verdict === 'dirty' || tried.kind === 'conflict')
    return refuse(405, 'Pull Request is not mergeable');
  const { commit_title: title, commit_message: text } = body as Record<string, string>;
  const merged = repository.commit({
    tree: tried.tree,
    parents: [base, pull.headSha],
    message: `${title ?? `Merge pull request #${String(pull.number)}`}\n\n${text ?? ''}`,
  });
  if (!repository.move(main, base, merged))
    return refuse(405, 'Base branch was modified. Review and try the merge again.');
  pulls.sync();
  return {
    status: 200,
    body: { sha: merged, merged: true, message: 'Pull Request successfully merged' },
  };
}

function checkText(title: string, body: string): Answer | null {
  if (title.length > 256) return custom('title is too long (maximum is 256 characters)');
  if (body.length > 65_536) return custom('body is too long (maximum is 65536 characters)');
  return null;
}

function invalid(field: string): Json {
  return { resource: 'PullRequest', field, code: 'invalid' };
}

function custom(message: string): Answer {
  return refuse(422, 'Validation Failed', [{ resource: 'PullRequest', code: 'custom', message }]);
}

/** GitHub names the repository by its number here. */
function nextPage(origin: string, query: URLSearchParams, page: number): string {
  const next = new URLSearchParams(query);
  next.set('page', String(page));
  return `<${origin}/api/v3/repositories/1/pulls?${next.toString()}>; rel="next"`;
}
