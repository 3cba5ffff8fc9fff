/** A real OpenID provider on loopback, and somebody who fills in its forms. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Provider } from 'oidc-provider';

export type OidcProvider = {
  readonly issuer: string;
  /**
   * Signs somebody in there and agrees; answers where the browser is sent back to.
   * @param login the account, by its address
   */
  visit(url: string, login: string): Promise<string>;
  close(): Promise<void>;
};

export const CLIENT = { id: 'shopyard', secret: 'a secret of the client, for tests' } as const;

/** @param options.unverified addresses that the provider does not vouch for */
export async function startOidcProvider(options: {
  readonly redirectUri: string;
  readonly unverified?: readonly string[];
}): Promise<OidcProvider> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [options.redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['a key of tests'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: id,
        email_verified: options.unverified?.includes(id) !== true,
        name: `Somebody called ${id}`,
      }),
    }),
  });
  const handle = provider.callback();
  server.on('request', (request, response) => void handle(request, response));

  return {
    issuer,
    visit: async (url, login) => {
      const jar = new Map<string, string>();
      const send = async (at: string, form?: Record<string, string>): Promise<Response> => {
        const response = await fetch(at, {
          redirect: 'manual',
          headers: { Cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
          ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
        });
        for (const cookie of response.headers.getSetCookie()) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
          jar.set(name, value);
        }
        return response;
      };
      let at = url;
      // The form to sign in, the form to agree, and the ways between them.
      for (let step = 0; step < 12; step += 1) {
        if (!at.startsWith(issuer)) return at;
        const page = await send(at);
        const location = page.headers.get('Location');
        if (location !== null) {
          at = new URL(location, at).href;
          continue;
        }
        const html = await page.text();
        const prompt = /name="prompt" value="(\w+)"/.exec(html)?.[1];
        const action = /action="([^"]+)"/.exec(html)?.[1];
        if (prompt === undefined || action === undefined)
          throw new Error(`The provider shows no form at ${at}: ${html.slice(0, 500)}`);
        const sent = await send(new URL(action, at).href, { prompt, login, password: 'any' });
        at = new URL(sent.headers.get('Location') ?? '', at).href;
      }
      throw new Error('The provider does not send anybody back.');
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
