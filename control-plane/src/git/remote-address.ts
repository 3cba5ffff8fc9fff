/**
 * Which addresses a repository or a forge may have. Our credential is sent to them, so they are
 * plain http or https, carry no credential of their own, and never lead to link-local addresses,
 * where clouds hand out their machines' identities. Names are looked up before the first request:
 * a name of anybody's may point there.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { PlatformError } from '../errors.ts';

type FindName = (host: string) => Promise<readonly { readonly address: string }[]>;

const LINK_LOCAL = new BlockList();
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4');
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6');
// The same service of EC2 over IPv6.
LINK_LOCAL.addAddress('fd00:ec2::254', 'ipv6');
// Alibaba's, which is in the range of carriers' own addresses.
LINK_LOCAL.addAddress('100.100.100.200', 'ipv4');
// All of the first by way of NAT64.
LINK_LOCAL.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');

/** Why a credential is not sent to this address, as the end of “the address …”; null: it may be. */
export function describeAddressProblem(address: string): string | null {
  const url = URL.parse(address);
  if (url === null) return 'is not a URL';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be http or https';
  if (url.username !== '' || url.password !== '') return 'must not hold a credential';
  if (url.search !== '' || url.hash !== '') return 'must not hold a query or a fragment';
  // They answer http by a redirect only, and a token would have crossed the network in clear by then.
  if (url.protocol === 'http:' && isGithubCom(url)) return 'must be https';
  return isLinkLocal(readHost(url)) ? 'must not be a link-local one' : null;
}

/** The address without a slash at its end. Throws PlatformError `remote_invalid`. */
export function parseRemoteUrl(address: string): URL {
  const problem = describeAddressProblem(address);
  if (problem !== null) throw refuseAddress(problem);
  const url = new URL(address);
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/**
 * Looks the address's name up; throws `remote_invalid` when it leads to a link-local address.
 * @param find tests bring their own names
 */
export async function refuseLinkLocal(url: URL, find: FindName = lookUp): Promise<void> {
  await checkOnce(url, find);
}

/** The same before each request of one client: a name that was found once is not looked up again. */
export function createAddressCheck(url: URL, find: FindName = lookUp): () => Promise<void> {
  let isFound = false;
  return async () => {
    if (!isFound) isFound = await checkOnce(url, find);
  };
}

/** False: the name was not found, so nothing is known of where it leads. */
async function checkOnce(url: URL, find: FindName): Promise<boolean> {
  const host = readHost(url);
  // A name that cannot be found is for the request to complain about.
  const found = isIP(host) === 0 ? await find(host).catch(() => []) : [{ address: host }];
  if (found.some(({ address }) => isLinkLocal(address)))
    throw refuseAddress(`leads to a link-local address (${url.hostname})`);
  return found.length > 0;
}

/** GitHub's own hosts, which speak https and nothing else. */
function isGithubCom({ hostname }: URL): boolean {
  return /(^|\.)(github\.com|ghe\.com)$/.test(hostname);
}

function lookUp(host: string): Promise<readonly { readonly address: string }[]> {
  return lookup(host, { all: true });
}

function refuseAddress(problem: string): PlatformError {
  return new PlatformError('remote_invalid', `the repository address ${problem}`, {
    field: 'SHOPYARD_REPOSITORY_URL',
    hint: 'Give an http or https address such as https://git.example.com/shops/cluster.git.',
  });
}

function isLinkLocal(host: string): boolean {
  const family = isIP(host);
  return family !== 0 && LINK_LOCAL.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Of `[::1]` what is between the brackets. */
function readHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
