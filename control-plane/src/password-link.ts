/**
 * The command `npm run password-link -- <e-mail>`: prints a link by which that person chooses a new
 * password. For whoever has the data folder or DATABASE_URL when nobody can sign in any more. Ends
 * with 0 when there is a link, 2 when there is none. It is on record like an operator's.
 *
 * Works beside a running control plane and without one. Reads DATABASE_URL, SHOPYARD_DATA_DIR and the
 * portal's address (SHOPYARD_PUBLIC_URL, or HOST and PORT) as the control plane does.
 */
import { randomBytes } from 'node:crypto';
import { createAuth } from './accounts/auth.ts';
import { createPasswordLink } from './accounts/password-link.ts';
import { choosePublicUrl, Environment } from './config.ts';
import { appendAudit } from './db/audit.ts';
import { openLocalDatabase } from './db/local.ts';
import type { Db } from './db/open.ts';
import { findTenant, PLATFORM_TENANT } from './db/tenants.ts';
import { describeIssue } from './describe-issue.ts';
import { createIds } from './domain/ids.ts';
import { describeError, PlatformError } from './errors.ts';
import { createLogger } from './logger.ts';

const Address = Environment.pick({ HOST: true, PORT: true, SHOPYARD_PUBLIC_URL: true });

async function run([given, ...others]: readonly string[]): Promise<void> {
  // An empty variable is an unset one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
  const address = Address.safeParse(env, { error: describeIssue });
  if (!address.success)
    throw new PlatformError(
      'settings_malformed',
      address.error.issues
        .map(({ path, message }) => `${path.join('.')}: ${message.replace(/\.$/, '')}.`)
        .join(' '),
    );
  await using cleanup = new AsyncDisposableStack();
  const db = await openLocalDatabase(env, cleanup);
  if (given === undefined || others.length > 0)
    throw new PlatformError('nobody_named', 'One e-mail address is needed.', {
      hint: await nameOperators(db),
    });
  const person = await db
    .selectFrom('users')
    .select(['id', 'email', 'operator'])
    .where('email', '=', given.toLowerCase())
    .executeTakeFirst();
  if (person === undefined)
    throw new PlatformError('unknown_person', `Nobody here has the address ${given}.`, {
      hint: await nameOperators(db),
    });
  const publicUrl = choosePublicUrl(address.data);
  const auth = createAuth({
    ...{ db, publicUrl, ids: createIds(), logger: createLogger('error') },
    // It signs cookies, and nobody signs in here.
    secret: randomBytes(24).toString('hex'),
    oidc: null,
    sendPasswordReset: null,
    isExpected: () => Promise.resolve(false),
  });
  const { link, expiresAt } = await createPasswordLink({ auth, publicUrl }, person.id);
  const platform = person.operator ? await findTenant(db, PLATFORM_TENANT) : null;
  await db.transaction().execute((tx) =>
    appendAudit(tx, [
      {
        at: new Date(),
        by: { id: null, name: 'npm run password-link', kind: 'system' },
        ...{ tenantId: platform?.id ?? null, storeId: null },
        ...{ action: 'password-link', outcome: 'done' },
        ...{ requestId: null, address: null },
        detail: {
          ...{ member: person.id, email: person.email },
          ...(person.operator ? { role: 'operator' } : {}),
        },
      },
    ]),
  );
  console.log(`${person.email} chooses a password here, once, until ${expiresAt.toISOString()}:`);
  console.log(link);
}

/** Whoever has the database may see who they are. */
async function nameOperators(db: Db): Promise<string> {
  const operators = await db
    .selectFrom('users')
    .select('email')
    .where('operator', '=', true)
    .orderBy('email')
    .limit(20)
    .execute();
  const emails = operators.map(({ email }) => email);
  return emails.length === 0
    ? 'There is no operator yet: the first start makes one.'
    : `npm run password-link -- <e-mail>. The operators: ${emails.join(', ')}.`;
}

if (import.meta.main)
  try {
    await run(process.argv.slice(2));
  } catch (error) {
    const hint = error instanceof PlatformError ? error.hint : undefined;
    console.error(`No link was made: ${describeError(error)} ${hint ?? ''}`.trimEnd());
    process.exitCode = 2;
  }
