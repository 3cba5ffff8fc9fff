/**
 * Drift: a file of a store that is not as our commits left it, because a person changed the
 * repository. Pure: what the commits of a branch did to which paths, folded into what differs now.
 * A person who puts back what was there clears it; so does our own next commit of that store.
 */
import { createHash } from 'node:crypto';

export const DRIFT_KINDS = ['changed', 'removed', 'added'] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** One path that differs. */
export type Drift = {
  readonly storeId: string;
  readonly path: string;
  readonly kind: DriftKind;
  /** The blob that our commit left there; null: none. */
  readonly ours: string | null;
  /** The first commit since ours that left something else; null: the history was replaced. */
  readonly firstSha: string | null;
  /** The last one. */
  readonly sha: string;
  readonly author: string;
  readonly at: Date;
};

/** What one commit did to stores, in the branch's order. */
export type DriftStep =
  /** Ours: all of the store's files are as we want them, or of a reviewed change these. */
  | { readonly kind: 'own'; readonly storeId: string; readonly paths?: ReadonlySet<string> }
  /** A person's. */
  | {
      readonly kind: 'touch';
      readonly storeId: string;
      readonly path: string;
      readonly before: string | null;
      readonly after: string | null;
      readonly sha: string;
      readonly author: string;
      readonly at: Date;
    };

/** What differs after the steps, given what differed before them. */
export function foldDrift(standing: readonly Drift[], steps: readonly DriftStep[]): Drift[] {
  const drifts = new Map(standing.map((drift) => [nameKey(drift), drift]));
  for (const step of steps) {
    if (step.kind === 'own') {
      for (const [key, { storeId, path }] of drifts)
        if (storeId === step.storeId && step.paths?.has(path) !== false) drifts.delete(key);
      continue;
    }
    const { storeId, path, before, after, sha, author, at } = step;
    const known = drifts.get(nameKey(step));
    const ours = known === undefined ? before : known.ours;
    if (after === ours) {
      drifts.delete(nameKey(step));
      continue;
    }
    const firstSha = known === undefined ? sha : known.firstSha;
    const kind = nameDrift(ours, after);
    drifts.set(nameKey(step), { storeId, path, kind, ours, firstSha, sha, author, at });
  }
  return [...drifts.values()];
}

/** The newest commit of each store that differs: who asks to write over it says that they know of it. */
export function findHeads(
  drifts: readonly Drift[],
  steps: readonly DriftStep[],
): ReadonlyMap<string, string> {
  const sorted = drifts.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const heads = new Map(sorted.map(({ storeId, sha }) => [storeId, sha]));
  for (const step of steps)
    if (step.kind === 'touch' && heads.has(step.storeId)) heads.set(step.storeId, step.sha);
  return heads;
}

/** What a path has become, by the blob that we left and the one that is there. */
export function nameDrift(ours: string | null, theirs: string | null): DriftKind {
  if (theirs === null) return 'removed';
  return ours === null ? 'added' : 'changed';
}

/** The id that git gives to this content. */
export function hashBlob(content: string | Uint8Array): string {
  const bytes = Buffer.from(content);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

function nameKey({ storeId, path }: { readonly storeId: string; readonly path: string }): string {
  return `${storeId} ${path}`;
}
