/**
 * better-auth, on our Postgres and by our rules: people, their passwords, their sessions, sign-in
 * at an organisation's OpenID provider. Nothing of its own HTTP surface is mounted: the routes of
 * ours call it, so that each has a policy, a checked body and our problems. Tenants, members and
 * invitations are its organization plugin's models; what changes them is in members.ts and
 * invitations.ts, in one transaction with what goes on record.
 */
import { betterAuth } from 'better-auth';
import { genericOAuth, organization } from 'better-auth/plugins';
import { sql } from 'kysely';
import type { Db } from '../db/open.ts';
import type { Ids } from '../domain/ids.ts';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { listOwnOrigins } from './origins.ts';

/** An organisation's OpenID provider. */
export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What the button says. */
  readonly name: string;
};

export type AuthOptions = {
  readonly db: Db;
  readonly ids: Ids;
  readonly logger: Logger;
  /** The origin that browsers see, e.g. `https://shops.example`. */
  readonly publicUrl: string;
  /** Signs cookies and seals what is kept sealed; at least 32 characters. */
  readonly secret: string;
  readonly oidc: OidcSettings | null;
  /** Sends the link to choose a new password; null: nobody can ask for one. */
  readonly sendPasswordReset: ((email: string, token: string) => Promise<void>) | null;
  /** Whether somebody new of that address may have an account. */
  readonly isExpected: (email: string) => Promise<boolean>;
};

export type Auth = ReturnType<typeof createAuth>;

export const OIDC_PROVIDER = 'oidc';
/** Where the provider sends people back to; registered there. */
export const OIDC_CALLBACK = `/api/auth/callback/${OIDC_PROVIDER}`;
export const PASSWORD_LENGTH = { min: 10, max: 128 } as const;
/** The header in which better-auth is told of a client's address: set by us alone. */
export const ADDRESS_HEADER = 'x-shopyard-address';

const DAY_SECONDS = 24 * 60 * 60;
const SESSION_SECONDS = 7 * DAY_SECONDS;
/** How long a link for a new password is good. */
export const RESET_SECONDS = 60 * 60;

/** Prefixes of ids: what a row is can be told from its id. */
const PREFIXES: Readonly<Record<string, string>> = {
  user: 'usr',
  session: 'ses',
  account: 'acc',
  verification: 'ver',
};

export function createAuth(options: AuthOptions) {
  const { db, ids, logger, publicUrl, oidc, sendPasswordReset } = options;
  return betterAuth({
    appName: 'Shopyard',
    baseURL: publicUrl,
    basePath: '/api/auth',
    secret: options.secret,
    telemetry: { enabled: false },
    trustedOrigins: [...listOwnOrigins(publicUrl)],
    // Its messages are for developers, and some name people: ours say what went wrong.
    logger: {
      level: 'error',
      log: (_level, message, cause) =>
        logger.warn(
          { part: 'accounts', ...(cause instanceof Error ? { error: describeError(cause) } : {}) },
          message,
        ),
    },
    // camelCase becomes snake_case in Kysely's plugin, for its tables as for ours.
    database: { db, type: 'postgres', transaction: true },
    advanced: {
      cookiePrefix: 'shopyard',
      useSecureCookies: publicUrl.startsWith('https://'),
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax' },
      // An answer that waits for the mail server would tell who has an account.
      backgroundTasks: { handler: (task) => void task },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      database: { generateId: ({ model }) => ids.account(PREFIXES[model] ?? 'row') },
    },
    // Where the provider's answer cannot be understood at all: nowhere else to go back to.
    onAPIError: { errorURL: `${publicUrl}/sign-in` },
    // One limiter for all ways in, per address and per account: attempts.ts.
    rateLimit: { enabled: false },
    user: {
      modelName: 'users',
      additionalFields: {
        operator: { type: 'boolean', required: true, defaultValue: false, input: false },
        signedInAt: { type: 'date', required: false, input: false, returned: false },
      },
      validateUserInfo: async ({ user, source }) => {
        if (source.action !== 'create-user') return;
        // Whoever may claim any address there would get anybody's invitation here.
        if (source.oauth !== undefined && user.emailVerified !== true)
          return { error: 'email_not_verified' };
        if (typeof user.email === 'string' && (await options.isExpected(user.email))) return;
        return { error: 'not_invited' };
      },
    },
    session: {
      modelName: 'sessions',
      expiresIn: SESSION_SECONDS,
      updateAge: DAY_SECONDS,
      additionalFields: {
        confirmedAt: { type: 'date', required: false, input: false },
      },
    },
    account: {
      modelName: 'accounts',
      updateAccountOnSignIn: false,
      // Who signs in at the provider gets the account of the same address, when both sides have seen
      // that the address is theirs: the provider says so, and here they chose a password by a link.
      accountLinking: { enabled: true, requireLocalEmailVerified: true },
    },
    verification: { modelName: 'verifications', storeIdentifier: 'hashed' },
    emailAndPassword: {
      enabled: true,
      minPasswordLength: PASSWORD_LENGTH.min,
      maxPasswordLength: PASSWORD_LENGTH.max,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: RESET_SECONDS,
      // The link was mailed to the address, or an operator vouches for whom they gave it to. An
      // invitation's link proves less: whoever invites sees it too.
      onPasswordReset: async ({ user }) => {
        await db
          .updateTable('users')
          .set({ emailVerified: true })
          .where('id', '=', user.id)
          .execute();
        await endPasswordLinks(db, user.id);
      },
      ...(sendPasswordReset === null
        ? {}
        : {
            sendResetPassword: ({ user, token }: { user: { email: string }; token: string }) =>
              sendPasswordReset(user.email, token),
          }),
    },
    databaseHooks: {
      account: {
        create: {
          // Nothing is asked of the provider later on: what it gave is not kept.
          before: (account) =>
            Promise.resolve({
              data: { ...account, accessToken: null, refreshToken: null, idToken: null },
            }),
        },
      },
      session: {
        create: {
          // Who has just been asked by the provider need not be asked again: there is no password.
          before: (session, context) =>
            Promise.resolve(
              context?.path === '/callback/:id'
                ? { data: { ...session, confirmedAt: session.createdAt } }
                : undefined,
            ),
          after: async (session) => {
            await db
              .updateTable('users')
              .set({ signedInAt: session.createdAt })
              .where('id', '=', session.userId)
              .execute();
          },
        },
      },
    },
    plugins: [
      organization({
        allowUserToCreateOrganization: false,
        disableOrganizationDeletion: true,
        schema: {
          session: { fields: { activeOrganizationId: 'activeTenantId' } },
          organization: { modelName: 'tenants' },
          member: { modelName: 'members', fields: { organizationId: 'tenantId' } },
          invitation: {
            modelName: 'invitations',
            fields: { organizationId: 'tenantId' },
            additionalFields: {
              secretHash: { type: 'string', required: true, input: false, returned: false },
            },
          },
        },
      }),
      ...(oidc === null
        ? []
        : [
            genericOAuth({
              config: [
                {
                  providerId: OIDC_PROVIDER,
                  name: oidc.name,
                  discoveryUrl: `${oidc.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
                  clientId: oidc.clientId,
                  clientSecret: oidc.clientSecret,
                  scopes: ['openid', 'profile', 'email'],
                  requireIdTokenVerification: true,
                },
              ],
            }),
          ]),
    ],
  });
}

/** Once a password is chosen, no earlier link chooses another. */
export async function endPasswordLinks(db: Db, userId: string): Promise<void> {
  await sql`delete from verifications where value = ${userId}`.execute(db);
}
