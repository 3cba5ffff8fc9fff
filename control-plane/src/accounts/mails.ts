/** What our mails say: links and facts, plain text, never a password. */
import type { Mail } from './mail.ts';

export function describePasswordReset(options: {
  readonly publicUrl: string;
  readonly email: string;
  readonly token: string;
}): Mail {
  return {
    to: options.email,
    subject: 'A new password for Shopyard',
    text: `Somebody, hopefully you, asked for a new password for ${options.email}.

Choose it here within an hour:
${options.publicUrl}/reset-password?token=${encodeURIComponent(options.token)}

If it was not you, there is nothing to do: your password stays as it is.
`,
  };
}
