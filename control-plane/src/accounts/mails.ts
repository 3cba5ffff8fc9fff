/** What our mails say: links and facts, plain text, never a password. */
import type { Role } from '../contract.ts';
import { writeMoment } from '../domain/moments.ts';
import type { Mail } from './mail.ts';

export function linkToReset(publicUrl: string, token: string): string {
  return `${publicUrl}/reset-password?token=${encodeURIComponent(token)}`;
}

export function linkToInvitation(publicUrl: string, secret: string): string {
  return `${publicUrl}/invitations/${secret}`;
}

export function describePasswordReset(options: {
  readonly publicUrl: string;
  readonly email: string;
  readonly token: string;
}): Mail {
  const { publicUrl, email, token } = options;
  return {
    to: email,
    subject: 'A new password for Shopyard',
    text: `Somebody, hopefully you, asked for a new password for ${email}.

Choose it here within an hour:
${linkToReset(publicUrl, token)}

If it was not you, there is nothing to do: your password stays as it is.
`,
  };
}

export function describeInvitation(options: {
  readonly to: string;
  readonly link: string;
  readonly tenant: string;
  readonly role: Role;
  readonly invitedBy: string | null;
  readonly expiresAt: Date;
}): Mail {
  const { to, link, tenant, role, invitedBy, expiresAt } = options;
  return {
    to,
    subject: `Join ${tenant} on Shopyard`,
    text: `${toLine(invitedBy ?? 'An operator')} invites you to join ${tenant} on Shopyard as ${nameRole(role)}.

Accept until ${expiresAt.toISOString().slice(0, 10)}:
${link}

Whoever has this link can accept: keep it to yourself.
`,
  };
}

/** What there is to tell of a store. */
export type StoreNews = 'ready' | 'failed' | 'kept' | 'purged';

export function describeStoreEnd(options: {
  readonly to: string;
  readonly publicUrl: string;
  readonly news: StoreNews;
  readonly store: string;
  readonly name: string;
  readonly url: string;
  /** When the data of a deleted store goes. */
  readonly purgeAt: Date | null;
  readonly message: string | null;
  readonly hint: string | null;
}): Mail {
  const { to, publicUrl, news, store, name, url, purgeAt, message, hint } = options;
  const page = `${publicUrl}/stores/${store}`;
  if (news === 'kept')
    return {
      to,
      subject: `${name} is closed; its data is kept`,
      text: `Your store ${name} was deleted. Nothing of it runs any more.

Its data is kept until ${purgeAt === null ? 'it is purged' : writeMoment(purgeAt)}, and goes then for good.
Until then you can have it back: ${page}
`,
    };
  if (news === 'purged')
    return {
      to,
      subject: `${name} is gone`,
      text: `Your store ${name} was deleted, and its data was kept for as long as was promised.
Now it is gone, and cannot be brought back. Its name is free again.
`,
    };
  if (news === 'ready')
    return {
      to,
      subject: `${name} is ready`,
      text: `Your store ${name} is ready.

Visit it: ${url}
Look after it: ${page}

The login to its administration is shown there. It is never mailed.
`,
    };
  const reasons = [message, hint].filter((one) => one !== null).map(toLine);
  return {
    to,
    subject: `${name} needs a look`,
    text: `Your store ${name} could not be brought to where it should be.

${reasons.join('\n')}

See what happened, and try again: ${page}
`,
  };
}

function nameRole(role: Role): string {
  return role === 'owner' || role === 'operator' ? `an ${role}` : `a ${role}`;
}

/** Names are people's own text: on one line, and no address to click. */
function toLine(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('://', ': //');
}
