/** A real SMTP server on loopback that keeps what it gets. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export type ReceivedMail = {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  /** As it reads, decoded. */
  readonly text: string;
};

export type MailServer = {
  readonly url: string;
  readonly mails: readonly ReceivedMail[];
  /** While true no mail is taken. */
  refuses: boolean;
  close(): Promise<void>;
};

export async function startMailServer(): Promise<MailServer> {
  const mails: ReceivedMail[] = [];
  const credentials = { user: 'shopyard', pass: 'a password of the mail server' };
  const server = new SMTPServer({
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    onAuth: (auth, _session, done) => {
      const isRight = auth.username === credentials.user && auth.password === credentials.pass;
      done(isRight ? null : new Error('no'), { user: auth.username });
    },
    onData: (stream, session, done) => {
      void text(stream).then((raw) => {
        if (mailServer.refuses) {
          done(Object.assign(new Error('try later'), { responseCode: 451 }));
          return;
        }
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map((one) => one.address),
          ...readMail(raw),
        });
        done();
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  const mailServer: MailServer = {
    url: `smtp://${credentials.user}:${encodeURIComponent(credentials.pass)}@127.0.0.1:${port}`,
    mails,
    refuses: false,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
      }),
  };
  return mailServer;
}

function readMail(raw: string): { readonly subject: string; readonly text: string } {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const subject = /^Subject: (.*(?:\r\n[ \t].*)*)/m.exec(head)?.[1] ?? '';
  const isQuoted = /^Content-Transfer-Encoding: quoted-printable/im.test(head);
  return { subject: decodeWords(subject), text: isQuoted ? decodeQuoted(body) : body };
}

function decodeQuoted(body: string): string {
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A header of encoded words (RFC 2047). */
function decodeWords(header: string): string {
  return header
    .replace(/\r\n[ \t]/g, ' ')
    .replace(/=\?utf-8\?q\?(.*?)\?=\s*/gi, (_all, word: string) =>
      decodeQuoted(word.replaceAll('_', ' ')),
    );
}
