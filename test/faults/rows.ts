/** The rows of the table of faults and bad input, in its words. */
export const FAULTS: Readonly<Record<number, string>> = {
  1: 'kill −9 at every step',
  2: 'a damaged local clone',
  3: 'eight processes on one branch',
  4: 'a lease holder stopped, then resumed',
  5: 'the reply to a push lost',
  6: 'one Idempotency-Key, many requests',
  7: 'Postgres restarted, its disk full',
  8: 'people commit, force-push, edit',
  9: 'git and LIST answer wrongly',
  10: 'bulk deletes and removals',
  11: 'trouble with the watch',
  12: 'event streams resumed and revoked',
  13: 'any string through every user field',
  14: 'names, paths, links in the tree',
  15: 'the address of a forge',
  16: 'every route, role and tenant',
  17: 'mass assignment',
  18: 'webhooks',
  19: 'secret canaries',
  20: 'the audit log tampered with',
  21: 'a first sync that hangs or fails',
};

/** Of a test's full name: `row 3: …`, or `… (reliability 3)` beside the source that it is about. */
export const ROW_OF_TEST = /\brow (\d+):|\(reliability (\d+)\)/g;
