/** A link to choose a new password, as the mail would carry it: for where no mail is sent. */
import { randomBytes } from 'node:crypto';
import { RESET_SECONDS } from './auth.ts';
import { linkToReset } from './mails.ts';
import type { Accounts } from './settings.ts';

export async function createPasswordLink(
  { auth, publicUrl }: Pick<Accounts, 'auth' | 'publicUrl'>,
  userId: string,
): Promise<{ readonly link: string; readonly expiresAt: Date }> {
  const token = randomBytes(24).toString('base64url');
  const expiresAt = new Date(Date.now() + RESET_SECONDS * 1000);
  const { internalAdapter } = await auth.$context;
  await internalAdapter.createVerificationValue({
    identifier: `reset-password:${token}`,
    value: userId,
    expiresAt,
  });
  return { link: linkToReset(publicUrl, token), expiresAt };
}
