/** What our mails say: links and facts, plain text, never a password. */
import type { Role } from '../contract.ts';
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

export function describeStoreEnd(options: {
  readonly to: string;
  readonly publicUrl: string;
  readonly state: 'done' | 'failed';
  readonly store: string;
  readonly name: string;
  readonly url: string;
  readonly message: string | null;
  readonly hint: string | null;
}): Mail {
  const { to, publicUrl, state, store, name, url, message, hint } = options;
  const page = `${publicUrl}/stores/${store}`;
  if (state === 'done')
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
