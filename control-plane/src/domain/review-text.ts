/**
 * What a reviewer reads: a pull request's title, body and labels, from values alone.
 *
 * Whatever a merchant can choose (names, options, their own name) is shown as text and nothing else:
 * it makes no heading, no link, no mention, and closes nobody's issue.
 */
import type { ReviewMode } from './cluster.ts';
import { listDifferences, type Difference } from './differences.ts';
import type { EngineCard, PlanCard } from './engine.ts';
import { writeMoment } from './moments.ts';
import { describeDifference } from './quantity.ts';
import { isDestructive } from './review.ts';
import { nameApplication, nameNamespace, type Action, type StoreSpec } from './store.ts';
import type { OperationKind } from './store.ts';

/** One change of one store, with what there was. */
export type ReviewedChange = {
  readonly kind: OperationKind;
  /** What its first commit does. */
  readonly action: Action;
  /** The store as it is on the branch; null: it is not there yet. */
  readonly before: StoreSpec | null;
  readonly after: StoreSpec;
  readonly operationId: string;
  readonly requestedAt: Date;
  readonly requestedBy: { readonly id: string; readonly name: string | null };
  /** The cluster's, which is why somebody is asked. */
  readonly mode: ReviewMode;
  /** What its commit touches. */
  readonly paths: readonly string[];
};

export type PullRequestText = {
  readonly title: string;
  /** Markdown. */
  readonly body: string;
  readonly labels: readonly string[];
};

/** @param engine the store's, as it is on offer now; undefined: it no longer is */
export function writePullRequest(
  change: ReviewedChange,
  engine: EngineCard | undefined,
): PullRequestText {
  const { kind, after, before } = change;
  const differences = listDifferences(before, after, engine);
  const sections = [
    `${writeWho(change, engine)}\n\n${CONSEQUENCES[kind](change)}`,
    `**Why it is asked for:** ${writeWhy(change)}`,
    ...(differences.length === 0 ? [] : [writeDifferences(before, differences)]),
    ...writeResources(change, engine),
    writeFiles(change.paths),
    writeDecision(change),
    writeFacts(change),
  ];
  return {
    title: writeTitle(change, differences),
    body: `${sections.join('\n\n')}\n`,
    labels: [
      'shopyard',
      `shopyard/${kind}`,
      ...(isDestructive(kind) ? ['shopyard/destructive'] : []),
    ],
  };
}

const VERBS: Readonly<Record<OperationKind, string>> = {
  create: 'Create',
  update: 'Change',
  retry: 'Retry',
  upgrade: 'Upgrade',
  rollback: 'Roll back',
  suspend: 'Suspend',
  resume: 'Resume',
  repair: 'Repair',
  protect: 'Protect',
  delete: 'Delete',
};

const CONSEQUENCES: Readonly<Record<OperationKind, (change: ReviewedChange) => string>> = {
  create: () => 'Argo CD will install it in a namespace of its own.',
  update: () => 'Argo CD will bring the running shop to these settings; its data stays.',
  retry: () => 'The same settings once more, with fresh web pods; its data stays.',
  upgrade: () =>
    'Argo CD will bring the shop to the newer chart. Its set-up runs again and may change the ' +
    'database: going back is possible only as far as the charts allow it.',
  rollback: () =>
    'The settings of an earlier commit, as a new commit. Files and database of the shop stay as ' +
    'they are: only what it is made of goes back.',
  suspend: () => 'Nothing of it will run; its volumes and Secrets stay.',
  resume: () => 'It will run again on the data that was kept.',
  repair: () => 'Its files will be as Shopyard made them: what somebody edited by hand is undone.',
  protect: () => 'Only whether it may be deleted changes.',
  delete: ({ action, after, requestedAt }) =>
    action === 'retire'
      ? `It is suspended, and its data is kept ${describeRetention(after, requestedAt)}. ` +
        'Until then one click brings it back. Afterwards workloads, volumes, Secrets and namespace ' +
        'are deleted, without another review.'
      : '**Its workloads, volumes, Secrets and namespace are deleted, with everything in them. ' +
        'There is no way back.** The commits that remove its files follow without another review.',
};

const DAY_MS = 24 * 60 * 60 * 1000;

/** Counted from the merge, however long the review takes. */
function describeRetention({ purgeAt }: StoreSpec, requestedAt: Date): string {
  if (purgeAt === null) return 'until it is deleted';
  const days = Math.round((new Date(purgeAt).getTime() - requestedAt.getTime()) / DAY_MS);
  return days === 1 ? 'for **a day** from the merge on' : `for **${days} days** from the merge on`;
}

function writeWho(
  { kind, after, requestedBy }: ReviewedChange,
  engine: EngineCard | undefined,
): string {
  const who = requestedBy.name === null ? code(requestedBy.id) : `**${text(requestedBy.name)}**`;
  return (
    `${who} asks to ${VERBS[kind].toLowerCase()} the ${text(engine?.title ?? after.type)} shop ` +
    `**${text(after.name)}** of tenant **${text(after.tenant)}** on cluster **${text(after.cluster)}**.`
  );
}

function writeWhy({ mode, kind, after }: ReviewedChange): string {
  const cluster = `cluster ${text(after.cluster)}`;
  if (mode === 'always') return `every change on ${cluster} is reviewed.`;
  return isDestructive(kind)
    ? `${cluster} has changes reviewed that take something away.`
    : `this is more than tenant ${text(after.tenant)} may have.`;
}

function writeDifferences(before: StoreSpec | null, differences: readonly Difference[]): string {
  return before === null
    ? writeTable(
        '### The shop',
        ['', 'will be'],
        differences.map(({ what, to }) => [text(what), value(to)]),
      )
    : writeTable(
        '### What changes',
        ['', 'now', 'then'],
        differences.map(({ what, from, to }) => [text(what), value(from), value(to)]),
      );
}

/** Nothing is left of a deleted store; a suspended one has no pods, and its quota stays. */
function writeResources(
  { kind, action, before, after }: ReviewedChange,
  engine: EngineCard | undefined,
): string[] {
  if (engine === undefined) return [];
  const cardOf = (name: string): PlanCard | undefined =>
    engine.planCards.find((plan) => plan.name === name);
  const now = before === null ? NOTHING : measure(before, cardOf);
  const isGone = kind === 'delete' && action !== 'retire';
  const then = isGone ? NOTHING : measure(after, cardOf);
  const rows = RESOURCES.flatMap(([what, name]) => {
    const [from, to] = [now[name], then[name]];
    return from === undefined || to === undefined
      ? []
      : [[what, value(from), value(to), describeDifference(from, to) ?? '']];
  });
  if (rows.length === 0) return [];
  const notes = [
    ...(engine.version === after.chartVersion
      ? []
      : [`The numbers are those of chart version ${text(engine.version)}.`]),
    ...(after.storagePlan === after.plan
      ? []
      : [`Its volumes keep the size of plan ${text(after.storagePlan)}, by which they were made.`]),
  ];
  return [
    [writeTable('### Resources', ['', 'now', 'then', 'difference'], rows), ...notes].join('\n\n'),
  ];
}

/** What a store takes; what is not known is left out. */
type Measures = {
  readonly pods?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly storage?: string;
};
const NOTHING: Measures = { pods: '0', cpu: '0', memory: '0', storage: '0' };
const RESOURCES: readonly (readonly [string, keyof Measures])[] = [
  ['web pods', 'pods'],
  ['processors (quota)', 'cpu'],
  ['memory (quota)', 'memory'],
  ['volumes (quota)', 'storage'],
];

function measure(store: StoreSpec, cardOf: (plan: string) => PlanCard | undefined): Measures {
  const plan = cardOf(store.plan);
  const volumes = cardOf(store.storagePlan)?.quota?.storage;
  return {
    ...(plan === undefined ? {} : { pods: store.suspended ? '0' : String(plan.replicas) }),
    ...(plan?.quota ? { cpu: plan.quota.cpu, memory: plan.quota.memory } : {}),
    ...(volumes === undefined ? {} : { storage: volumes }),
  };
}

function writeFiles(paths: readonly string[]): string {
  return `### Files\n\n${paths.map((path) => `- ${code(path)}`).join('\n')}`;
}

function writeDecision({ kind, before }: ReviewedChange): string {
  const stays =
    before === null
      ? 'the store is not made, and its name is free again once it is deleted in Shopyard'
      : 'the store stays as it is';
  return [
    '### What happens next',
    [
      `- **Merge it** (a merge commit, a squash or a rebase will do): Shopyard sees it and follows ` +
        `the ${kind === 'delete' ? 'removal' : 'change'} until Argo CD is done.`,
      `- **Close it without merging**: the change is rejected; ${stays}.`,
      '- When the branch moves on and touches these files, Shopyard rebuilds this one commit on the ' +
        'new tip. A newer change of the same store closes it.',
    ].join('\n'),
  ].join('\n\n');
}

function writeFacts({ after, operationId, requestedAt, requestedBy }: ReviewedChange): string {
  return [
    '<details><summary>Names and ids</summary>',
    writeTable(
      null,
      ['', ''],
      [
        ['Store', code(after.id)],
        ['Operation', code(operationId)],
        ['Generation', String(after.generation)],
        ['Application', code(nameApplication(after.tenantId, after.name))],
        ['Namespace', code(nameNamespace(after.tenantId, after.name))],
        ['Requested by', code(requestedBy.id)],
        ['Requested', writeMoment(requestedAt)],
      ],
    ),
    '</details>',
  ].join('\n\n');
}

/** In one line, without Markdown: a title shows what it says. */
function writeTitle({ kind, after }: ReviewedChange, differences: readonly Difference[]): string {
  const what = `${VERBS[kind]} store ${after.name} of ${after.tenant}`;
  if (kind !== 'update' && kind !== 'upgrade') return what;
  const changed = differences.map(({ what: one, from, to }) =>
    one === 'plan' || one === 'chart' ? `${one} ${from} → ${to}` : one,
  );
  return changed.length === 0 ? what : shorten(`${what}: ${changed.join(', ')}`, 120);
}

function writeTable(
  heading: string | null,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
  return heading === null ? table : `${heading}\n\n${table}`;
}

const LONGEST = 200;

/** A cell that is empty is hard to see. */
function value(raw: string): string {
  return raw === '' ? '–' : text(raw);
}

/**
 * Somebody's words as words. Punctuation is escaped; a word joiner takes from `@name`, `#1` (`gh-1`
 * to GitHub, `!1` to Gitea) and `https://` what a forge would make of them, which escaping alone does
 * not.
 */
export function text(raw: string): string {
  return shorten(clean(raw), LONGEST)
    .replace(/[\\`*_[\]#|<>~&$]/g, '\\$&')
    .replace(/[@#]|:(?=\/\/)|www(?=\.)|\bgh(?=-\d)|!(?=\d)/gi, '$&\u2060');
}

/** Ids and paths, as they are: a fence longer than any in it, and no end of a table's cell. */
export function code(raw: string): string {
  const plain = shorten(clean(raw), LONGEST).replaceAll('|', '¦');
  const longest = Math.max(0, ...[...plain.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const pad = plain.startsWith('`') || plain.endsWith('`') || plain === '' ? ' ' : '';
  return `${fence}${pad}${plain}${pad}${fence}`;
}

/** One line, without what is not to be seen: controls, and marks that turn the direction of text. */
function clean(raw: string): string {
  return raw
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\p{Cf}/gu, '')
    .trim();
}

function shorten(raw: string, most: number): string {
  const characters = Array.from(raw);
  return characters.length <= most ? raw : `${characters.slice(0, most - 1).join('')}…`;
}
