/**
 * The Kubernetes objects that the lab's parts need: rights of the parts that run as processes, the
 * cluster DNS Service, the default StorageClass, the IngressClass, and Argo CD's settings.
 */
import { argocdNamespace, network, ports } from './layout.ts';
import type { KubernetesObject } from './kubernetes.ts';
import { reconciliationJitter, type LabSettings } from './settings.ts';

/** Name of the default StorageClass, and of its provisioner: the keeper. */
export const storageClassName = 'shopyard-local';
export const storageProvisioner = 'shopyard.dev/local';

const readVerbs = ['get', 'list', 'watch'];

/** Objects that are there before the parts that use them are started. */
export function describeFoundationObjects(): KubernetesObject[] {
  return [
    ...grant('shopyard-lab:coredns', [
      { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: readVerbs },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: readVerbs },
    ]),
    ...grant('shopyard-lab:keeper', [
      {
        apiGroups: [''],
        resources: ['persistentvolumes'],
        verbs: [...readVerbs, 'create', 'delete'],
      },
      { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: readVerbs },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: readVerbs },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
    ]),
    ...describeTraefikAccess('kube-system', 'shopyard-lab:traefik'),
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: storageClassName,
        annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
      },
      provisioner: storageProvisioner,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    ...describeDnsService(),
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: argocdNamespace } },
  ];
}

/** What a Traefik on one machine is told, wherever it runs. */
export const traefikArguments = [
  '--global.checknewversion=false',
  '--global.sendanonymoususage=false',
  '--ping.entrypoint=ping',
  '--providers.kubernetesingress=true',
  // The address that Ingresses get, which Argo CD waits for before it calls one healthy.
  '--providers.kubernetesingress.ingressendpoint.hostname=localhost',
  // As Traefik's own chart has it: a shop without pods answers 503, not 404.
  '--providers.kubernetesingress.allowemptyservices=true',
  '--log.level=WARN',
] as const;

/** What Traefik needs to follow Ingresses: its account, its rights, and the IngressClass. */
export function describeTraefikAccess(namespace: string, role: string): KubernetesObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'traefik', namespace },
    },
    ...grant(
      role,
      [
        { apiGroups: [''], resources: ['services', 'secrets', 'nodes'], verbs: readVerbs },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: readVerbs },
        {
          apiGroups: ['networking.k8s.io'],
          resources: ['ingresses', 'ingressclasses'],
          verbs: readVerbs,
        },
        { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update'] },
      ],
      { kind: 'ServiceAccount', name: 'traefik', namespace },
    ),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'traefik' },
      spec: { controller: 'traefik.io/ingress-controller' },
    },
  ];
}

/** CoreDNS runs outside the cluster: a Service without selector leads to it. */
function describeDnsService(): KubernetesObject[] {
  const name = 'kube-dns';
  const namespace = 'kube-system';
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: {
        clusterIP: network.dnsServiceAddress,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: ports.dns },
          { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: ports.dns },
        ],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-lab`,
        namespace,
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      ports: [
        { name: 'dns', port: ports.dns, protocol: 'UDP' },
        { name: 'dns-tcp', port: ports.dns, protocol: 'TCP' },
      ],
      endpoints: [{ addresses: [network.address] }],
    },
  ];
}

interface Subject {
  readonly kind: 'User' | 'ServiceAccount';
  readonly name: string;
  readonly namespace?: string;
}

function grant(
  name: string,
  rules: readonly unknown[],
  subject: Subject = { kind: 'User', name },
): KubernetesObject[] {
  const rbac = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects: [{ ...subject, ...(subject.kind === 'User' ? { apiGroup: rbac } : {}) }],
    },
  ];
}

/** Kinds of Argo CD's own manifests that the lab leaves out: its parts are processes here. */
const kindsRunAsProcesses = ['Deployment', 'StatefulSet', 'Service', 'NetworkPolicy'];

/** Argo CD's manifests without the workloads. */
export function selectArgocdManifests(yaml: string): string {
  return yaml
    .split(/^---$/m)
    .filter((document) => {
      const kind = /^kind:\s*(\S+)/m.exec(document)?.[1];
      return kind !== undefined && !kindsRunAsProcesses.includes(kind);
    })
    .join('---\n');
}

/** How Argo CD reaches the cluster repository, and what proves to it that a webhook is genuine. */
export interface ArgocdAccess {
  readonly repositoryUrl: string;
  readonly readPassword: string;
  readonly webhookSecret: string;
}

/** Argo CD's settings: the repository's credential, and the webhook's secret. */
export function describeArgocdObjects(access: ArgocdAccess): KubernetesObject[] {
  const partOf = { 'app.kubernetes.io/part-of': 'argocd' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'shopyard-repository',
        namespace: argocdNamespace,
        labels: { 'argocd.argoproj.io/secret-type': 'repository' },
      },
      data: encodeSecret({
        type: 'git',
        url: access.repositoryUrl,
        username: 'reader',
        password: access.readPassword,
      }),
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'argocd-secret', namespace: argocdNamespace, labels: partOf },
      data: encodeSecret({ 'webhook.github.secret': access.webhookSecret }),
    },
  ];
}

/**
 * What the lab gives Argo CD's processes as arguments, for an Argo CD that runs in pods: it reads both
 * when it starts. Its own API is plain HTTP: reached within the cluster or on loopback, and TLS ends
 * before it elsewhere.
 */
export function describeArgocdSettings(settings: LabSettings): KubernetesObject[] {
  const describe = (name: string, data: Readonly<Record<string, string>>): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      namespace: argocdNamespace,
      labels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'argocd' },
    },
    data,
  });
  return [
    describe('argocd-cm', {
      'timeout.reconciliation': `${settings.reconciliationSeconds}s`,
      'timeout.reconciliation.jitter': reconciliationJitter,
    }),
    describe('argocd-cmd-params-cm', {
      'controller.sync.timeout.seconds': String(settings.syncTimeoutSeconds),
      'controller.sync.wave.delay.seconds': String(settings.syncWaveDelaySeconds),
      'server.insecure': 'true',
    }),
  ];
}

/** In `data`, not `stringData`: what is applied there is not compared with what is there. */
function encodeSecret(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
}
