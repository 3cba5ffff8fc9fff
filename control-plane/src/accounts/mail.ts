/** Mails by SMTP: links and facts, never a password. */
import { createTransport } from 'nodemailer';

export type Mail = { readonly to: string; readonly subject: string; readonly text: string };

export type Mailer = {
  /** Hands the mail to the server; throws when it does not take it. */
  send(mail: Mail): Promise<void>;
  close(): void;
};

const SMTP_MS = 15_000;

/**
 * @param options.url `smtp://user:password@host:port`, or `smtps://…`
 * @param options.from the sender, e.g. `Shopyard <shops@example.com>`
 */
export function createMailer(options: { readonly url: string; readonly from: string }): Mailer {
  const transport = createTransport({
    url: options.url,
    pool: true,
    maxConnections: 2,
    connectionTimeout: SMTP_MS,
    greetingTimeout: SMTP_MS,
    socketTimeout: SMTP_MS,
    // Nothing of ours is on disk or elsewhere for a mail to take along.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    send: async (mail) => {
      await transport.sendMail({ from: options.from, ...mail });
    },
    close: () => transport.close(),
  };
}
