/** What the routes of accounts work with, wired in parts/api.ts. */
import type { Attempts } from './attempts.ts';
import type { Auth } from './auth.ts';
import type { Mailer } from './mail.ts';

export type Accounts = {
  readonly auth: Auth;
  readonly attempts: Attempts;
  /** The origin that browsers see. */
  readonly publicUrl: string;
  /** The name of the organisation's OpenID provider; null: there is none. */
  readonly oidc: { readonly name: string } | null;
  /** null: no mail can be sent; links are handed over by people. */
  readonly mailer: Mailer | null;
  /** Whether anybody may make an account and a tenant. */
  readonly openSignUp: boolean;
  /** How many tenants somebody may own who is no operator. */
  readonly tenantsPerUser: number;
};
