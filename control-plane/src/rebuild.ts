/**
 * The command `npm run rebuild`: makes the stores table again from the cluster repository alone,
 * after the database was lost. `--dry-run` does it all and takes it back. Prints what came back, what
 * differs, what cannot come back, and what to do next. Ends with 0 when everything is there, 1 when
 * something is left out, 2 when nothing could be done.
 *
 * It reads the settings of the control plane, which must not be running: positions of commits change,
 * and a running one remembers them. It commits nothing: Argo CD notices nothing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from './config.ts';
import { takeOver } from './db/leases.ts';
import type { Db } from './db/open.ts';
import { findDomain } from './domain/cluster.ts';
import type { StoreSpec } from './domain/store.ts';
import { describeError, PlatformError } from './errors.ts';
import { locateRepository } from './forge/server.ts';
import { createShared, type Shared } from './parts/shared.ts';
import { fetchMirror } from './repository/mirror.ts';
import { ObjectProcess } from './repository/object-process.ts';
import { gatherHistory, type Gathered, type ReadBlobs } from './rebuild/gather.ts';
import { readHistory, type HistoryCommit } from './rebuild/history.ts';
import { restore, type Restored } from './rebuild/restore.ts';

/** Objects asked for at once: an answer is waited for by the clock. */
const ASKED_AT_ONCE = 200;

/** What was found and what became of it. */
export type Rebuilt = {
  readonly commits: readonly HistoryCommit[];
  readonly gathered: Gathered;
  readonly restored: Restored;
};

/** Reads the bare repository and restores what the database lacks; with `isDry` it stays as it is. */
export async function rebuild(
  db: Db,
  options: {
    readonly folder: string;
    readonly branch: string;
    /** The branch's name in the tables. */
    readonly repository: string;
    readonly domainOf: (store: StoreSpec) => string | null;
    readonly deadlineMs: number;
    readonly holder: string;
    readonly isDry: boolean;
    readonly at: Date;
  },
): Promise<Rebuilt> {
  const commits = await readHistory(options.folder, options.branch);
  const objects = new ObjectProcess({ repository: options.folder, timeoutMs: 60_000 });
  let gathered: Gathered;
  try {
    gathered = await gatherHistory(commits, readBlobsOf(objects));
  } finally {
    objects.close();
  }
  const outcome: { restored: Restored | null } = { restored: null };
  try {
    await db.transaction().execute(async (tx) => {
      await takeOver(tx, options.repository, options.holder);
      outcome.restored = await restore(tx, { ...options, commits, gathered });
      if (options.isDry) throw new TakenBack();
    });
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
  }
  if (outcome.restored === null) throw new Error('Nothing was restored.');
  return { commits, gathered, restored: outcome.restored };
}

/** Ends a transaction that was only tried. */
class TakenBack extends Error {}

function readBlobsOf(objects: ObjectProcess): ReadBlobs {
  return async (blobs) => {
    const texts = new Map<string, string>();
    for (let start = 0; start < blobs.length; start += ASKED_AT_ONCE)
      await Promise.all(
        blobs.slice(start, start + ASKED_AT_ONCE).map(async (blob) => {
          const content = (await objects.find(blob))?.content;
          if (content !== null && content !== undefined) texts.set(blob, content.toString('utf8'));
        }),
      );
    return texts;
  };
}

async function run(args: readonly string[]): Promise<number> {
  const isDry = args.includes('--dry-run');
  const unknown = args.find((one) => one !== '--dry-run');
  if (unknown !== undefined) {
    console.error(`There is no ${unknown}; there is --dry-run.`);
    return 2;
  }
  const settings = readConfig({ SHOPYARD_LOG_LEVEL: 'warn', ...process.env });
  if (!settings.ok) {
    console.error(`The settings need a look:\n\n  ${settings.problems.join('\n  ')}`);
    return 2;
  }
  await using cleanup = new AsyncDisposableStack();
  const shared = createShared(settings.config, cleanup);
  // First: it says whether a control plane is at work here.
  shared.dataDir();
  const folder = await findRepository(shared);
  const rebuilt = await rebuild(await shared.database(), {
    folder,
    branch: shared.address.branch,
    repository: shared.repository,
    domainOf: (store) => findDomain(shared.clusters, store),
    deadlineMs: settings.config.SHOPYARD_DEADLINE_SECONDS * 1_000,
    holder: shared.holder,
    isDry,
    at: shared.clock(),
  });
  console.log(writeReport(rebuilt, isDry));
  return rebuilt.restored.differences.length + rebuilt.gathered.troubles.length > 0 ? 1 : 0;
}

/** The embedded forge's own folder when it is here, else a fresh copy of the branch. */
async function findRepository(shared: Shared): Promise<string> {
  const embedded = locateRepository(join(shared.config.SHOPYARD_DATA_DIR, 'forge'));
  if (shared.config.SHOPYARD_FORGE === 'embedded' && existsSync(embedded)) return embedded;
  const dir = join(shared.dataDir().path, 'mirror');
  await fetchMirror(await (await shared.forge()).remote('read'), dir);
  return dir;
}

/** Exported for tests: what the person at the console reads. */
export function writeReport({ commits, gathered, restored }: Rebuilt, isDry: boolean): string {
  const tip = commits.at(-1);
  const count = (state: string): number =>
    restored.stores.filter((store) => store.state === state).length;
  const lines = [
    tip === undefined
      ? 'The repository has no commits.'
      : `The repository has ${commits.length} commits up to ${tip.sha.slice(0, 10)}.`,
    `${isDry ? 'Would restore' : 'Restored'}: ${restored.tenants.length} tenants, ` +
      `${count('living')} stores, ${count('leaving')} on their way out, ` +
      `${count('gone')} that are gone; ${restored.operations} operations; ` +
      `the places of ${restored.commits} commits.`,
  ];
  if (restored.standing > 0) lines.push(`${restored.standing} stores were there already.`);
  if (restored.drifted > 0)
    lines.push(`${restored.drifted} stores have files that a person changed: they show as drift.`);
  if (restored.overdue.length > 0)
    lines.push(
      '',
      'Their time is over, and nothing removes them before you decide: resume each, or delete it.',
      ...restored.overdue.map((one) => `  ${one}`),
    );
  const named = [...gathered.troubles, ...restored.differences];
  if (named.length > 0) lines.push('', 'Left as it is:', ...named.map((one) => `  ${one}`));
  if (restored.stores.length + restored.tenants.length === 0)
    return [...lines, tip === undefined ? 'Nothing was restored.' : 'Nothing was missing.'].join(
      '\n',
    );
  return [
    ...lines,
    '',
    'The repository does not have, and what does not come back:',
    '  accounts, memberships, invitations, sessions and API tokens; the tenants’ limits and names;',
    '  the audit log; what was asked for and not yet committed, changes under review among it;',
    '  what was decided of removals that were held; kept answers of Idempotency-Keys; mails that',
    '  were about to go out.',
    '',
    'Next:',
    '  npm start                 shows the first sign-in; the stores become ready as Argo CD tells',
    '  invite the tenants’ owners, set the tenants’ limits, make API tokens anew',
    '  npm run audit:verify      will name the rows that the commits vouch for and that are lost',
  ].join('\n');
}

if (import.meta.main)
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    const hint = error instanceof PlatformError ? error.hint : undefined;
    console.error(`Nothing was restored: ${describeError(error)} ${hint ?? ''}`.trimEnd());
    process.exitCode = 2;
  }
