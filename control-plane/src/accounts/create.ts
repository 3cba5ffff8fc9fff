/** Accounts from the settings: what parts/ wires. */
import type { Config } from '../config.ts';
import type { Db } from '../db/open.ts';
import type { Clock, Ids } from '../domain/ids.ts';
import type { Logger } from '../logger.ts';
import { createAttempts } from './attempts.ts';
import { createAuth } from './auth.ts';
import { hasInvitation } from './invitations.ts';
import { createMailer, type Mailer } from './mail.ts';
import { describePasswordReset } from './mails.ts';
import type { Accounts } from './settings.ts';

/** Sends mails by the configured server; null: there is none. */
export function openMailer(config: Config): Mailer | null {
  const { SHOPYARD_SMTP_URL: url, SHOPYARD_MAIL_FROM: from } = config;
  return url === undefined || from === undefined ? null : createMailer({ url, from });
}

/**
 * @param options.secret signs cookies where the settings name none
 */
export function createAccounts(options: {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
  readonly config: Config;
  readonly mailer: Mailer | null;
  readonly secret: string;
}): Accounts {
  const { db, clock, ids, logger, config, mailer } = options;
  const publicUrl = config.SHOPYARD_PUBLIC_URL;
  const openSignUp = config.SHOPYARD_OPEN_SIGN_UP;
  const oidc = readOidc(config);
  const auth = createAuth({
    db,
    ids,
    logger,
    publicUrl,
    secret: config.SHOPYARD_AUTH_SECRET ?? options.secret,
    oidc,
    sendPasswordReset:
      mailer === null
        ? null
        : (email, token) => mailer.send(describePasswordReset({ publicUrl, email, token })),
    isExpected: async (email) => openSignUp || (await hasInvitation(db, email, clock())),
  });
  return {
    auth,
    attempts: createAttempts(db, clock),
    publicUrl,
    oidc: oidc === null ? null : { name: oidc.name },
    mailer,
    openSignUp,
    tenantsPerUser: config.SHOPYARD_TENANTS_PER_USER,
  };
}

function readOidc(config: Config) {
  const {
    SHOPYARD_OIDC_ISSUER: issuer,
    SHOPYARD_OIDC_CLIENT_ID: clientId,
    SHOPYARD_OIDC_CLIENT_SECRET: clientSecret,
    SHOPYARD_OIDC_NAME: name,
  } = config;
  return issuer === undefined || clientId === undefined || clientSecret === undefined
    ? null
    : { issuer, clientId, clientSecret, name };
}
