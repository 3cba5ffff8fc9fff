/**
 * The Kubernetes objects that the lab's parts need: rights of the parts that run as processes,
 * Services for the cluster DNS and for metrics-server, the default StorageClass, the IngressClass,
 * and Argo CD's settings.
 */
import { argocdNamespace, metricsService, network, ports } from './layout.ts';
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
    ...describeMetricsAccess(),
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
    ...describeMetricsService(),
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
  // Its own kinds, such as the Middlewares of the add-on. An Ingress may name one of any namespace;
  // `allowcrossnamespace` is about IngressRoutes, which nobody has here.
  '--providers.kubernetescrd=true',
  '--log.level=WARN',
] as const;

/** Traefik's own kinds. It knows none of their objects before it has listed every kind. */
const traefikKinds = [
  'ingressroutes',
  'ingressroutetcps',
  'ingressrouteudps',
  'middlewares',
  'middlewaretcps',
  'serverstransports',
  'serverstransporttcps',
  'tlsoptions',
  'tlsstores',
  'traefikservices',
];

/** What Traefik needs to follow Ingresses and its own kinds: its account, its rights, and the IngressClass. */
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
        {
          apiGroups: [''],
          resources: ['services', 'secrets', 'configmaps', 'nodes'],
          verbs: readVerbs,
        },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: readVerbs },
        { apiGroups: ['traefik.io'], resources: traefikKinds, verbs: readVerbs },
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

/** CoreDNS runs outside the cluster: a Service leads to it. */
function describeDnsService(): KubernetesObject[] {
  return describeHostService(
    { name: 'kube-dns', namespace: 'kube-system' },
    ports.dns,
    [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
    { clusterIP: network.dnsServiceAddress },
  );
}

function describeMetricsService(): KubernetesObject[] {
  return describeHostService(metricsService, ports.metricsServer, [
    { name: 'https', port: 443, protocol: 'TCP' },
  ]);
}

interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

/** A Service without selector, which leads to a process of the lab. */
function describeHostService(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  hostPort: number,
  servicePorts: readonly ServicePort[],
  spec: Readonly<Record<string, unknown>> = {},
): KubernetesObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { ...spec, ports: servicePorts.map((port) => ({ ...port, targetPort: hostPort })) },
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
      ports: servicePorts.map((port) => ({ ...port, port: hostPort })),
      endpoints: [{ addresses: [network.address] }],
    },
  ];
}

/**
 * What metrics-server reads, and what every server of an API that is not the API server's own
 * needs: by what to know the API server, and whom to ask whether someone may. The kubelet asks
 * nobody about rights here, so there is none for its figures.
 */
function describeMetricsAccess(): KubernetesObject[] {
  const user = 'shopyard-lab:metrics-server';
  const rbac = 'rbac.authorization.k8s.io';
  return [
    ...grant(user, [
      { apiGroups: [''], resources: ['nodes', 'pods'], verbs: readVerbs },
      {
        apiGroups: ['authorization.k8s.io'],
        resources: ['subjectaccessreviews'],
        verbs: ['create'],
      },
    ]),
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: user, namespace: 'kube-system' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      subjects: [{ kind: 'User', name: user, apiGroup: rbac }],
    },
  ];
}

/** Name of the APIService of metrics-server. */
export const metricsApiName = 'v1beta1.metrics.k8s.io';

/**
 * The API that metrics-server serves. Applied once it answers: discovery, and with it the deletion
 * of namespaces, fails while an API that is named does not.
 *
 * @param authority the PEM text of the authority that signed metrics-server's certificate
 */
export function describeMetricsApi(authority: string): KubernetesObject {
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: metricsApiName },
    spec: {
      group: 'metrics.k8s.io',
      version: 'v1beta1',
      service: { ...metricsService, port: 443 },
      caBundle: Buffer.from(authority).toString('base64'),
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  };
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
