/** The first person: made on the first start, with a password that is shown once. */
import { randomInt } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Ids } from '../domain/ids.ts';
import { addPerson } from './add-person.ts';
import type { Auth } from './auth.ts';

export type FirstSignIn = { readonly email: string; readonly password: string };

/** Any number that no other advisory lock of ours uses. */
const FIRST_OPERATOR_LOCK = 7_423_002;

/** Without what is easily taken for something else: it is typed off a screen. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Makes the first operator; null when there is one. Of several processes at once, one makes it. */
export async function ensureFirstOperator(
  db: Db,
  options: { readonly auth: Auth; readonly ids: Ids; readonly email: string },
): Promise<FirstSignIn | null> {
  const { auth, ids, email } = options;
  const password = makePassword();
  const { password: hasher } = await auth.$context;
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${FIRST_OPERATOR_LOCK})`.execute(tx);
    const operator = await tx
      .selectFrom('users')
      .select('id')
      .where('operator', '=', true)
      .limit(1)
      .executeTakeFirst();
    if (operator !== undefined) return null;
    await addPerson(tx, ids, {
      email,
      name: 'Operator',
      operator: true,
      // Whoever makes the settings vouches for it: an operator may sign in by OIDC from the start.
      emailVerified: true,
      passwordHash: await hasher.hash(password),
    });
    return { email, password };
  });
}

/** Whether the address is an operator's. */
export async function isOperator(db: Db, email: string): Promise<boolean> {
  const found = await db
    .selectFrom('users')
    .select('id')
    .where('email', '=', email)
    .where('operator', '=', true)
    .executeTakeFirst();
  return found !== undefined;
}

/** Four groups of five: close to 100 bits. */
function makePassword(): string {
  const group = () =>
    Array.from({ length: 5 }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');
  return Array.from({ length: 4 }, group).join('-');
}
