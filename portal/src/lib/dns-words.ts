/** What somebody does at their DNS provider so that a domain of their own leads to their shop. Pure. */

export type DnsWords = {
  /** The line to enter. */
  readonly record: string;
  /** Where, and what else there is to know. */
  readonly advice: string;
};

/** For a shop of that name on a cluster with that base domain. */
export function describeDns(domain: string, name: string, baseDomain: string): DnsWords {
  if (baseDomain === 'localhost' || baseDomain.endsWith('.localhost'))
    return {
      record: `127.0.0.1 ${domain}`,
      advice: 'Shops are on this machine: put this line into /etc/hosts.',
    };
  return {
    record: `${domain}. CNAME ${name}.${baseDomain}.`,
    advice:
      'Make this record at your DNS provider. A domain with nothing before it, such as example.com, ' +
      'takes no CNAME: make it an ALIAS or ANAME record.',
  };
}
