/**
 * The audit chain, pure: what a row says, what its hash covers, and how a chain is checked.
 *
 * Each row's hash covers all it says and the hash of the row before it, so a row that is edited,
 * dropped or moved no longer fits. Cutting the tail leaves a chain that fits: that is found by the
 * heads which the commits of the cluster repository name (`Audit-Head`).
 */
import { createHash } from 'node:crypto';

/** user and token: somebody signed in. anonymous: not yet. system: the platform itself. */
export const AUDIT_KINDS = ['user', 'token', 'anonymous', 'system'] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

/** done: it happened. refused: it was not allowed. failed: it was, and could not be done. */
export const AUDIT_OUTCOMES = ['done', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** What is on record besides: never a secret, never a body as it was sent. */
export type AuditDetail = Readonly<
  Record<string, string | number | boolean | null | readonly string[]>
>;

/** One act, to be put on record. */
export type AuditEntry = {
  readonly at: Date;
  readonly by: {
    readonly id: string | null;
    /** As it was then: people and tokens are renamed and removed. */
    readonly name: string | null;
    readonly kind: AuditKind;
  };
  readonly tenantId: string | null;
  readonly storeId: string | null;
  /** `store.create`, `sign-in`, `reveal`, … */
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly requestId: string | null;
  /** Where the request came from. */
  readonly address: string | null;
  readonly detail: AuditDetail;
};

/** The place of a row in the chain. */
export type AuditHead = { readonly seq: number; readonly hash: string };

export type AuditRow = AuditEntry & AuditHead & { readonly previousHash: string };

/** What the first row follows. */
export const EMPTY_CHAIN: AuditHead = { seq: 0, hash: '0'.repeat(64) };

const LONGEST_TEXT = 500;

/** The entries as rows that follow a head, in their order. */
export function chainEntries(head: AuditHead, entries: readonly AuditEntry[]): AuditRow[] {
  const rows: AuditRow[] = [];
  let last = head;
  for (const entry of entries) {
    const row = { ...cleanEntry(entry), seq: last.seq + 1, previousHash: last.hash };
    last = { seq: row.seq, hash: hashRow(row) };
    rows.push({ ...row, hash: last.hash });
  }
  return rows;
}

/** The hash a row must have: of everything it says, in one fixed form. */
export function hashRow(row: Omit<AuditRow, 'hash'>): string {
  const said = [
    row.seq,
    row.at.toISOString(),
    row.by.id,
    row.by.name,
    row.by.kind,
    row.tenantId,
    row.storeId,
    row.action,
    row.outcome,
    row.requestId,
    row.address,
    sortFields(row.detail),
    row.previousHash,
  ];
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}

/** The order of a detail's fields does not survive the database. */
function sortFields(detail: AuditDetail): readonly (readonly [string, unknown])[] {
  return Object.entries(detail).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Texts may come from outside: bounded, and without what Postgres does not take. */
function cleanEntry(entry: AuditEntry): AuditEntry {
  const clean = <T>(value: T): T | string =>
    typeof value === 'string'
      ? value.toWellFormed().replaceAll('\0', '\ufffd').slice(0, LONGEST_TEXT).toWellFormed()
      : value;
  return {
    ...entry,
    by: { ...entry.by, id: clean(entry.by.id), name: clean(entry.by.name) },
    requestId: clean(entry.requestId),
    address: clean(entry.address),
    detail: Object.fromEntries(
      Object.entries(entry.detail).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.map((one: string) => clean(one)) : clean(value),
      ]),
    ),
  };
}

/** A head that something outside the database vouches for. */
export type AuditAnchor = AuditHead & { readonly commit: string };

export type AuditFault = {
  /** The first row that is not as it was written. */
  readonly seq: number;
  readonly kind: 'missing' | 'edited' | 'misplaced' | 'rewritten' | 'cut';
  readonly message: string;
};

export type AuditCheck = {
  /** Takes the next row of the table, in order of `seq`; the first fault ends the check. */
  next(row: AuditRow): AuditFault | null;
  /** After the last row. */
  end(): AuditFault | null;
  readonly head: AuditHead;
};

/** Checks a chain row by row against itself and against the anchors. */
export function createAuditCheck(anchors: readonly AuditAnchor[]): AuditCheck {
  const bySeq = new Map<number, AuditAnchor[]>();
  for (const anchor of anchors) bySeq.set(anchor.seq, [...(bySeq.get(anchor.seq) ?? []), anchor]);
  let head = EMPTY_CHAIN;
  return {
    get head() {
      return head;
    },
    next(row) {
      const fault = checkRow(head, row) ?? checkAnchors(row, bySeq.get(row.seq) ?? []);
      head = { seq: row.seq, hash: row.hash };
      return fault;
    },
    end() {
      const beyond = anchors.filter((anchor) => anchor.seq > head.seq);
      const [first] = beyond.toSorted((a, b) => a.seq - b.seq);
      if (first === undefined) return null;
      return {
        seq: head.seq + 1,
        kind: 'cut',
        message:
          `The table ends at row ${head.seq}, but commit ${first.commit} names row ${first.seq}: ` +
          'the rows after the end were removed.',
      };
    },
  };
}

function checkRow(head: AuditHead, row: AuditRow): AuditFault | null {
  const expected = head.seq + 1;
  if (row.seq !== expected)
    return {
      seq: expected,
      kind: 'missing',
      message: `Row ${expected} is missing: row ${row.seq} comes after row ${head.seq}.`,
    };
  if (hashRow(row) !== row.hash)
    return {
      seq: row.seq,
      kind: 'edited',
      message: `Row ${row.seq} is not what was written: its hash does not fit what it says.`,
    };
  if (row.previousHash !== head.hash)
    return {
      seq: row.seq,
      kind: 'misplaced',
      message: `Row ${row.seq} does not follow row ${head.seq}: rows were moved or replaced.`,
    };
  return null;
}

function checkAnchors(row: AuditRow, anchors: readonly AuditAnchor[]): AuditFault | null {
  const other = anchors.find((anchor) => anchor.hash !== row.hash);
  return other === undefined
    ? null
    : {
        seq: row.seq,
        kind: 'rewritten',
        message:
          `Row ${row.seq} is not the one that commit ${other.commit} names: ` +
          'the chain was written anew up to here.',
      };
}
