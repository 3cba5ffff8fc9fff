/**
 * How often something may be tried: sign-ins, passwords asked for again, reset links. Counted in
 * the database, so that several processes count together.
 */
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';

/** So many in a window of so many seconds. */
export type AttemptRule = { readonly most: number; readonly seconds: number };

export type AttemptRules = {
  /** Ways in, from one address. */
  readonly perAddress: AttemptRule;
  /** Passwords for one account, from wherever: those that were right do not count. */
  readonly perAccount: AttemptRule;
  /** Mails to one address. */
  readonly perMailbox: AttemptRule;
};

export const ATTEMPT_RULES: AttemptRules = {
  perAddress: { most: 30, seconds: 60 },
  perAccount: { most: 10, seconds: 300 },
  perMailbox: { most: 3, seconds: 900 },
};

export type Attempts = {
  readonly rules: AttemptRules;
  /** Counts one more; null when it is within the rule, else the seconds until the next. */
  count(key: string, rule: AttemptRule): Promise<number | null>;
  /** Starts from nought: the attempt was a right one. */
  clear(key: string): Promise<void>;
};

export function createAttempts(
  db: Db,
  clock: Clock,
  rules: AttemptRules = ATTEMPT_RULES,
): Attempts {
  return {
    rules,
    async count(key, rule) {
      const now = clock();
      const until = new Date(now.getTime() + rule.seconds * 1000);
      const { rows } = await sql<{ count: number; until: Date; opened: boolean }>`
        insert into attempts as a (key, count, until) values (${key}, 1, ${until})
        on conflict (key) do update set
          count = case when a.until <= ${now} then 1 else least(a.count, 1000000) + 1 end,
          until = case when a.until <= ${now} then excluded.until else a.until end
        returning count, until, count = 1 as opened
      `.execute(db);
      const row = rows[0];
      if (row === undefined) throw new Error('An attempt was not counted.');
      // Whoever opens a window sweeps up old ones: the table stays as small as what is going on.
      if (row.opened)
        await sql`
          delete from attempts where key in
            (select key from attempts where until < ${now} limit 100 for update skip locked)
        `.execute(db);
      return row.count <= rule.most
        ? null
        : Math.max(1, Math.ceil((row.until.getTime() - now.getTime()) / 1000));
    },
    async clear(key) {
      await db.deleteFrom('attempts').where('key', '=', key).execute();
    },
  };
}
