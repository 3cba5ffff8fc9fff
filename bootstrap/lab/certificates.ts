/**
 * The lab's own certificate authority and what it signs: one certificate per part, so that each
 * has the name, and so the rights, that Kubernetes' built-in roles give it. A second authority
 * signs the one certificate by which the API server speaks for others: whoever has one of those is
 * believed whatever name it gives. Keys never leave the lab folder, which only its owner can read.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { metricsService, network, nodeName, ports, type LabLayout } from './layout.ts';

interface CertificateRequest {
  readonly name: string;
  readonly subject: string;
  readonly alternativeNames?: string;
  /** Who signs it; `ca` when not said. */
  readonly authority?: Authority;
}

type Authority = (typeof authorities)[number];

const authorities = ['ca', 'front-proxy-ca'] as const;

/** As whom the API server hands requests on to an API that another program serves. */
export const frontProxyName = 'front-proxy-client';

const certificates: readonly CertificateRequest[] = [
  {
    name: 'apiserver',
    subject: '/CN=kube-apiserver',
    alternativeNames: [
      'DNS:localhost',
      'DNS:kubernetes',
      'DNS:kubernetes.default',
      'DNS:kubernetes.default.svc',
      'DNS:kubernetes.default.svc.cluster.local',
      'IP:127.0.0.1',
      `IP:${network.address}`,
      `IP:${network.apiServiceAddress}`,
    ].join(','),
  },
  {
    name: 'apiserver-kubelet-client',
    subject: '/O=system:masters/CN=kube-apiserver-kubelet-client',
  },
  {
    name: 'kubelet',
    subject: `/O=system:nodes/CN=system:node:${nodeName}`,
    alternativeNames: `DNS:${nodeName},IP:${network.address}`,
  },
  { name: 'controller-manager', subject: '/CN=system:kube-controller-manager' },
  { name: 'scheduler', subject: '/CN=system:kube-scheduler' },
  { name: 'kube-proxy', subject: '/CN=system:kube-proxy' },
  { name: 'coredns', subject: '/CN=shopyard-lab:coredns' },
  {
    name: 'metrics-server',
    subject: '/CN=shopyard-lab:metrics-server',
    alternativeNames: `DNS:${metricsService.name}.${metricsService.namespace}.svc,IP:${network.address}`,
  },
  { name: frontProxyName, subject: `/CN=${frontProxyName}`, authority: 'front-proxy-ca' },
  { name: 'keeper', subject: '/CN=shopyard-lab:keeper' },
  // Argo CD manages whatever stores are made of: cluster-admin, as in its own installation.
  { name: 'argocd', subject: '/O=system:masters/CN=shopyard-lab:argocd' },
  { name: 'admin', subject: '/O=system:masters/CN=admin' },
];

/** Who gets a kubeconfig in the lab folder's `kubeconfigs`, besides people and the observer. */
const kubeconfigOwners = [
  'kubelet',
  'controller-manager',
  'scheduler',
  'kube-proxy',
  'coredns',
  'metrics-server',
  'keeper',
  'argocd',
] as const;

/** URL of the lab's API server. */
export const apiServerUrl = `https://${network.address}:${ports.apiServer}`;

/**
 * Makes what is missing of keys, certificates and kubeconfigs. A lab that an earlier checkout made
 * keeps what it has and gets what is new: its parts go on trusting each other.
 */
export async function ensureCertificates(layout: LabLayout): Promise<void> {
  const { pki } = layout;
  await mkdir(pki, { recursive: true, mode: 0o700 });
  const isMissing = (file: string): boolean => !existsSync(join(pki, file));
  await Promise.all(
    authorities.filter((name) => isMissing(`${name}.crt`)).map((name) => makeAuthority(pki, name)),
  );
  await Promise.all(
    certificates
      .filter(({ name }) => isMissing(`${name}.crt`))
      .map((request) => makeCertificate(pki, request)),
  );
  if (isMissing('service-account.pub')) await makeServiceAccountKeys(pki);
  await mkdir(layout.kubeconfigs, { recursive: true, mode: 0o700 });
  for (const owner of kubeconfigOwners) {
    const namespace = owner === 'argocd' ? 'argocd' : 'default';
    const text = renderCertificateKubeconfig(layout, owner, namespace);
    await writeFile(join(layout.kubeconfigs, owner), text, { mode: 0o600 });
  }
  const admin = renderCertificateKubeconfig(layout, 'admin', 'default');
  await writeFile(layout.adminKubeconfig, admin, { mode: 0o600 });
}

/** A new key and its certificate. */
const NEW_CERTIFICATE = ['req', '-x509', '-new', '-nodes', '-newkey', 'ec'].concat(
  '-pkeyopt',
  'ec_paramgen_curve:prime256v1',
);

async function makeAuthority(folder: string, name: Authority): Promise<void> {
  const subject = name === 'ca' ? '/CN=shopyard-lab' : `/CN=shopyard-lab-${name}`;
  await makeKeyAndCertificate(folder, name, ['-subj', subject]);
}

async function makeCertificate(folder: string, request: CertificateRequest): Promise<void> {
  const { name, subject, authority = 'ca' } = request;
  const config = join(folder, `${name}.cnf`);
  await writeFile(
    config,
    [
      '[req]',
      'distinguished_name = name',
      'x509_extensions = leaf',
      '[name]',
      '[leaf]',
      'basicConstraints = critical, CA:FALSE',
      'keyUsage = critical, digitalSignature',
      'extendedKeyUsage = serverAuth, clientAuth',
      ...(request.alternativeNames === undefined
        ? []
        : [`subjectAltName = ${request.alternativeNames}`]),
      '',
    ].join('\n'),
  );
  await makeKeyAndCertificate(folder, name, [
    ...['-config', config, '-subj', subject],
    ...['-CA', join(folder, `${authority}.crt`), '-CAkey', join(folder, `${authority}.key`)],
  ]);
}

/** The certificate gets its name last: where it is, its key is, whatever interrupted the making. */
async function makeKeyAndCertificate(
  folder: string,
  name: string,
  options: readonly string[],
): Promise<void> {
  const certificate = join(folder, `${name}.crt`);
  await runCommand('openssl', [
    ...NEW_CERTIFICATE,
    ...options,
    ...['-keyout', join(folder, `${name}.key`), '-out', `${certificate}.new`, '-days', '3650'],
  ]);
  await rename(`${certificate}.new`, certificate);
}

async function makeServiceAccountKeys(folder: string): Promise<void> {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  });
  await writeFile(join(folder, 'service-account.key'), pair.privateKey, { mode: 0o600 });
  const publicKey = join(folder, 'service-account.pub');
  await writeFile(`${publicKey}.new`, pair.publicKey);
  await rename(`${publicKey}.new`, publicKey);
}

function renderCertificateKubeconfig(layout: LabLayout, owner: string, namespace: string): string {
  return renderKubeconfig(layout, owner, namespace, {
    'client-certificate': join(layout.pki, `${owner}.crt`),
    'client-key': join(layout.pki, `${owner}.key`),
  });
}

/** A kubeconfig for the lab's API server, as JSON (which is YAML too). */
export function renderKubeconfig(
  layout: LabLayout,
  user: string,
  namespace: string,
  credentials: Readonly<Record<string, string>>,
): string {
  return (
    JSON.stringify(
      {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [
          {
            name: 'lab',
            cluster: { server: apiServerUrl, 'certificate-authority': join(layout.pki, 'ca.crt') },
          },
        ],
        users: [{ name: user, user: credentials }],
        contexts: [{ name: 'lab', context: { cluster: 'lab', user, namespace } }],
        'current-context': 'lab',
      },
      null,
      2,
    ) + '\n'
  );
}
