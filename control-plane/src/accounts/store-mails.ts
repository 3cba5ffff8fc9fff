/**
 * Mails about stores: ready, or failed, to whoever asked for it; once for each, however many
 * processes there are: who takes an end marks it first. A mail that does not go out is tried again
 * for an hour; one that a crash cuts off between mark and mail is lost.
 */
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Mailer } from './mail.ts';
import { describeStoreEnd } from './mails.ts';

export type StoreMails = {
  /** Something ended: looks at once. */
  poke(): void;
  /** Sends what is due until the signal says stop. */
  run(signal: AbortSignal): Promise<void>;
};

/** Between looks without a poke, in milliseconds. */
const LOOK_MS = 30_000;
/** News older than this is no news, in milliseconds. */
const LATE_MS = 60 * 60 * 1000;
const BATCH = 20;

type End = {
  readonly operation: string;
  readonly state: 'done' | 'failed';
  readonly store: string;
  readonly name: string;
  readonly url: string;
  readonly message: string | null;
  readonly hint: string | null;
  readonly recipients: readonly string[];
};

export function createStoreMails(options: {
  readonly db: Db;
  readonly mailer: Mailer;
  readonly publicUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): StoreMails {
  const { db, mailer, publicUrl, clock, logger } = options;
  let wake: () => void = () => undefined;
  let isPoked = false;

  async function sendDue(signal: AbortSignal): Promise<void> {
    for (;;) {
      const ends = await takeEnds(db, clock());
      for (const end of ends) {
        if (signal.aborted) await putBack(db, end);
        else await send(end);
      }
      if (ends.length < BATCH || signal.aborted) return;
    }
  }

  async function send(end: End): Promise<void> {
    try {
      for (const to of end.recipients)
        await mailer.send(describeStoreEnd({ ...end, to, publicUrl }));
    } catch (error) {
      await putBack(db, end);
      logger.warn({ error: describeError(error), store: end.store }, 'a store’s mail waits');
    }
  }

  return {
    poke() {
      isPoked = true;
      wake();
    },
    async run(signal) {
      while (!signal.aborted) {
        isPoked = false;
        try {
          await sendDue(signal);
        } catch (error) {
          logger.warn({ error: describeError(error) }, 'stores’ mails cannot be looked for');
        }
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            resolve();
          };
          const timer = setTimeout(done, LOOK_MS);
          wake = done;
          signal.addEventListener('abort', done);
          // What came between the look and the wait.
          if (isPoked || signal.aborted) done();
        });
      }
    },
  };
}

/**
 * Takes the ends that nobody was mailed about, each for whoever asked; for a token of the tenant's,
 * for its owners. A change that worked is what was asked for: no mail.
 */
async function takeEnds(db: Db, now: Date): Promise<readonly End[]> {
  const { rows } = await sql<End>`
    with due as (
      select o.id from operations o
      where o.state in ('done', 'failed') and o.mailed_state is distinct from o.state
        and o.finished_at > ${new Date(now.getTime() - LATE_MS)}
      order by o.finished_at limit ${BATCH} for no key update skip locked
    ), taken as (
      update operations o set mailed_state = o.state from due where o.id = due.id
      returning o.id, o.state, o.kind, o.store_id, o.tenant_id, o.requested_by, o.error_message
    )
    select t.id as operation, t.state, s.id as store, s.name, s.url,
      coalesce(t.error_message, s.error_message) as message, s.error_hint as hint,
      array(
        select u.email from users u where u.id = coalesce(k.user_id, t.requested_by)
        union
        select u.email from members m join users u on u.id = m.user_id
        where k.id is not null and k.user_id is null
          and m.tenant_id = t.tenant_id and m.role = 'owner'
      ) as recipients
    from taken t
    join stores s on s.id = t.store_id
    left join tokens k on k.id = t.requested_by
    where t.kind in ('create', 'retry') or t.state = 'failed'
  `.execute(db);
  return rows;
}

async function putBack(db: Db, { operation }: End): Promise<void> {
  await sql`update operations set mailed_state = null where id = ${operation}`.execute(db);
}
