/**
 * What is known of every cluster, for who puts stores there: when it was heard from, and how many
 * stores it has. Cheap however many there are: what was heard is a row a cluster, read once a second
 * at most; stores are counted beside, for everybody, and nobody but the first who asks waits for it.
 */
import { countByCluster, listHearings } from './clusters.ts';
import type { Db } from './open.ts';
import type { Clock } from '../domain/ids.ts';
import { UNKNOWN_STATE, type ClusterState, type Hearing } from '../domain/placement.ts';

/** How long what was read is good for, in milliseconds. */
const HEARD_MS = 1_000;
const COUNTED_MS = 2_000;

export type ClusterStates = {
  /** Of each by its name, as of a moment ago. */
  read(): Promise<(cluster: string) => ClusterState>;
  /** The part of it that costs no count. */
  hear(cluster: string): Promise<Hearing>;
  /** A store was just put there: it counts before it is counted. */
  note(cluster: string): void;
};

type Counts = ReadonlyMap<string, number>;

export function createClusterStates(db: Db, clock: Clock): ClusterStates {
  let heard: { readonly hearings: Promise<ReadonlyMap<string, Hearing>>; readonly until: number } =
    {
      hearings: Promise.resolve(new Map()),
      until: -Infinity,
    };
  let counts: Counts | null = null;
  let counting: Promise<Counts> | null = null;
  let countedAt = -Infinity;
  /** Put there since the last count began; those of before are in it. */
  let noted = new Map<string, number>();
  let earlier: Counts = new Map();

  const readHearings = (): Promise<ReadonlyMap<string, Hearing>> => {
    const now = clock().getTime();
    if (heard.until > now) return heard.hearings;
    const hearings = listHearings(db);
    heard = { hearings, until: now + HEARD_MS };
    hearings.catch(() => (heard = { hearings, until: -Infinity }));
    return hearings;
  };

  const recount = (): Promise<Counts> => {
    counting ??= (async () => {
      countedAt = clock().getTime();
      earlier = noted;
      noted = new Map();
      try {
        return (counts = await countByCluster(db));
      } finally {
        earlier = new Map();
        counting = null;
      }
    })();
    return counting;
  };

  const readCounts = async (): Promise<Counts> => {
    if (counts === null) return recount();
    // A count that fails is tried again by the next who asks.
    if (clock().getTime() - countedAt >= COUNTED_MS) recount().catch(() => undefined);
    return counts;
  };

  return {
    async read() {
      const [hearings] = await Promise.all([readHearings(), readCounts()]);
      return (cluster) => ({
        ...UNKNOWN_STATE,
        ...hearings.get(cluster),
        // The count of now: one may have ended meanwhile, and what was noted before it is in no other.
        stores:
          (counts?.get(cluster) ?? 0) + (earlier.get(cluster) ?? 0) + (noted.get(cluster) ?? 0),
      });
    },
    async hear(cluster) {
      return (await readHearings()).get(cluster) ?? UNKNOWN_STATE;
    },
    note(cluster) {
      noted.set(cluster, (noted.get(cluster) ?? 0) + 1);
    },
  };
}
