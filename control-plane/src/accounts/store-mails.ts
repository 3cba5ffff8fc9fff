/**
 * Mails about stores: ready, failed, kept for a time, or gone after it, to whoever asked for it. Who
 * mails about an end claims it first and marks it after, so that of several processes one does. A mail
 * that does not go out is tried again for an hour, and holds up no other; one that a crash cuts off is
 * sent again when its claim has run out: it may then come twice, but it comes.
 */
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Clock } from '../domain/ids.ts';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Mailer } from './mail.ts';
import { describeStoreEnd, type StoreNews } from './mails.ts';

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
/** How long the mails of a batch may take, in milliseconds; a crash delays them by as much. */
const CLAIM_MS = 5 * 60 * 1000;
/** Until a mail that did not go out is tried again, in milliseconds. */
const RETRY_MS = 60 * 1000;
const BATCH = 10;

type End = {
  readonly operation: string;
  readonly tenant: string;
  /** What is marked as told. */
  readonly state: 'done' | 'failed' | 'kept';
  readonly news: StoreNews;
  readonly store: string;
  readonly name: string;
  readonly url: string;
  readonly purgeAt: Date | null;
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
      const ends = await claimEnds(db, clock());
      for (const end of ends) {
        if (signal.aborted) await release(db, end, null);
        else await send(end);
      }
      if (ends.length < BATCH || signal.aborted) return;
    }
  }

  async function send(end: End): Promise<void> {
    try {
      for (const to of end.recipients)
        await mailer.send(describeStoreEnd({ ...end, to, publicUrl }));
      await markMailed(db, end);
    } catch (error) {
      await release(db, end, new Date(clock().getTime() + RETRY_MS));
      const { operation, store, tenant } = end;
      logger.warn(
        { error: describeError(error), operation, store, tenant },
        'a store’s mail waits',
      );
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
 * Claims the ends that nobody was mailed about, each for whoever asked; for a token of the tenant's,
 * for its owners. A change that worked is what was asked for: that is marked, and no mail. A deleted
 * store that is kept is on its way still, and news; and so is its end, long after it was asked for.
 */
async function claimEnds(db: Db, now: Date): Promise<readonly End[]> {
  const since = new Date(now.getTime() - LATE_MS);
  const { rows } = await sql<End>`
    with ended as (
      select o.id, o.state, case
          when o.state = 'failed' then 'failed'
          when o.kind in ('create', 'retry', 'resume') then 'ready'
          when o.kind = 'delete' and o.spec ->> 'purgeAt' is not null then 'purged'
        end as news
      from operations o
      where o.state in ('done', 'failed') and o.mailed_state is distinct from o.state
        and o.finished_at > ${since}
        and (o.mail_claimed_until is null or o.mail_claimed_until < ${now})
      order by o.finished_at limit ${BATCH} for no key update skip locked
    ), kept as (
      select o.id, 'kept' as state, 'kept' as news
      from stores s join operations o on o.id = s.operation_id
      where s.status = 'suspended' and s.purge_at > ${now} and s.stage = 'kept'
        and s.updated_at > ${since} and o.state = 'waiting'
        and o.mailed_state is distinct from 'kept'
        and (o.mail_claimed_until is null or o.mail_claimed_until < ${now})
      order by s.purge_at limit ${BATCH} for no key update of o skip locked
    ), due as (
      select * from ended union all select * from kept
    ), claimed as (
      update operations o set
        mailed_state = case when due.news is null then due.state else o.mailed_state end,
        mail_claimed_until =
          case when due.news is not null then ${new Date(now.getTime() + CLAIM_MS)}::timestamptz end
      from due where o.id = due.id
      returning o.id, o.store_id, o.tenant_id, o.requested_by, o.error_message, due.state, due.news
    )
    select c.id as operation, c.tenant_id as tenant, c.state, c.news, s.id as store, s.name, s.url, s.purge_at,
      coalesce(c.error_message, s.error_message) as message, s.error_hint as hint,
      array(
        select u.email from users u where u.id = coalesce(k.user_id, c.requested_by)
        union
        select u.email from members m join users u on u.id = m.user_id
        where k.id is not null and k.user_id is null
          and m.tenant_id = c.tenant_id and m.role = 'owner'
      ) as recipients
    from claimed c
    join stores s on s.id = c.store_id
    left join tokens k on k.id = c.requested_by
    where c.news is not null
  `.execute(db);
  return rows;
}

/** What was told is marked: an operation that failed meanwhile, or recovered, is news again. */
async function markMailed(db: Db, { operation, state }: End): Promise<void> {
  await db
    .updateTable('operations')
    .set({ mailedState: state, mailClaimedUntil: null })
    .where('id', '=', operation)
    .execute();
}

/** @param until nobody looks at it before; null: whoever comes next may have it */
async function release(db: Db, { operation }: End, until: Date | null): Promise<void> {
  await db
    .updateTable('operations')
    .set({ mailClaimedUntil: until })
    .where('id', '=', operation)
    .execute();
}
