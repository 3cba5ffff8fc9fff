/**
 * The parts of the lab: what each is started with and how it says that it is ready. Values only;
 * up.ts starts them in the order of their stages.
 */
import { connect } from 'node:net';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { programFolder } from './build.ts';
import { apiServerUrl, frontProxyName } from './certificates.ts';
import { tryCommand } from './command.ts';
import { argocdNamespace, network, nodeName, ports, type LabLayout } from './layout.ts';
import { traefikArguments } from './objects.ts';
import type { LabPaths } from './paths.ts';
import type { ProcessSpec } from './processes.ts';
import { findProgram } from './programs.ts';
import { reconciliationJitter, type LabSettings } from './settings.ts';

export interface Part extends ProcessSpec {
  /** Where it listens. Something there before it starts is another program's. */
  readonly listens: readonly { readonly host: string; readonly port: number }[];
  /** Whether it does its work now; asked over and over until a deadline. */
  readonly isReady: () => Promise<boolean>;
  /** What must happen before each start of the process. */
  readonly prepare?: () => Promise<void>;
}

/** Parts of a stage start together, once those of the stage before are ready. */
export interface Stage {
  readonly name: 'foundation' | 'api' | 'cluster' | 'argocd-server' | 'argocd-controller';
  readonly parts: readonly Part[];
}

export interface LabContext {
  readonly paths: LabPaths;
  readonly layout: LabLayout;
  readonly settings: LabSettings;
}

const loopback = '127.0.0.1';

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** All parts, in the order in which they are started. */
export function describeStages(context: LabContext): readonly Stage[] {
  return [
    {
      name: 'foundation',
      parts: [describeEtcd(context), describeContainerd(context), describeRedis(context)],
    },
    { name: 'api', parts: [describeApiServer(context)] },
    {
      name: 'cluster',
      parts: [
        describeControllerManager(context),
        describeScheduler(context),
        describeKubelet(context),
        describeKubeProxy(context),
        describeCoreDns(context),
        describeMetricsServer(context),
        describeKeeper(context),
        describeTraefik(context),
        describeRepoServer(context),
      ],
    },
    { name: 'argocd-server', parts: [describeArgocdServer(context)] },
    { name: 'argocd-controller', parts: [describeApplicationController(context)] },
  ];
}

/** Path of a program that the lab built. */
export function builtProgram(paths: LabPaths, recipe: string, program = recipe): string {
  return join(programFolder(paths, findProgram(recipe)), program);
}

function describeEtcd({ paths, layout }: LabContext): Part {
  const client = `http://127.0.0.1:${ports.etcdClient}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return {
    name: 'etcd',
    program: builtProgram(paths, 'etcd'),
    args: [
      `--data-dir=${layout.etcd}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync', // nothing in here outlives the lab
      '--log-level=warn',
    ],
    listens: [
      { host: loopback, port: ports.etcdClient },
      { host: loopback, port: ports.etcdPeer },
    ],
    isReady: () => answersOk(`${client}/health`),
  };
}

function describeContainerd({ layout }: LabContext): Part {
  const config = containerdConfigPath(layout);
  return {
    name: 'containerd',
    program: '/usr/bin/containerd',
    args: ['--config', config, '--log-level', 'warn'],
    env: { PATH: systemPath },
    configuration: renderContainerdConfig(layout),
    listens: [],
    isReady: async () => {
      const client = ['--address', layout.containerdSocket, 'version'];
      return (await tryCommand('ctr', client, { timeout: 5000 })).status === 0;
    },
  };
}

/** Where the lab's containerd has its configuration (never the machine's own). */
export function containerdConfigPath(layout: LabLayout): string {
  return join(layout.config, 'containerd.toml');
}

/** Image of the container that holds a pod's namespaces; built by images.ts. */
export const pauseImage = 'localhost/shopyard/pause:1';

/**
 * containerd's configuration: every path inside the lab folder. Network namespaces too are mounted
 * there, so that `lab:down` finds all that is left by looking at one folder.
 */
export function renderContainerdConfig(layout: LabLayout): string {
  const path = (name: string): string => JSON.stringify(join(layout.containerd, name));
  return `version = 2
root = ${path('root')}
state = ${path('state')}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = ${JSON.stringify(layout.containerdSocket)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${path('opt')}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = ${JSON.stringify(join(layout.cni, 'conf'))}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = ${path('runc')}
`;
}

/**
 * How pods get their network: a pair of interfaces each, all traffic routed through the host. With
 * a bridge, a reply between two pods would pass by the host's address translation and Services
 * would fail where bridged traffic is not filtered.
 */
export function renderCniConfig(layout: LabLayout): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: network.cniName,
    plugins: [
      {
        type: 'ptp',
        ipMasq: true,
        ipam: {
          type: 'host-local',
          dataDir: join(layout.cni, 'leases'),
          ranges: [[{ subnet: network.podRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  });
}

function describeRedis({ layout }: LabContext): Part {
  return {
    name: 'redis',
    program: '/usr/bin/redis-server',
    args: [
      ...['--port', String(ports.redis), '--bind', '127.0.0.1'],
      ...['--save', '', '--appendonly', 'no', '--dir', layout.config, '--loglevel', 'warning'],
    ],
    listens: [{ host: loopback, port: ports.redis }],
    isReady: () => accepts(loopback, ports.redis),
  };
}

function describeApiServer({ paths, layout }: LabContext): Part {
  const pki = (name: string): string => join(layout.pki, name);
  return {
    name: 'kube-apiserver',
    program: builtProgram(paths, 'kubernetes', 'kube-apiserver'),
    args: [
      `--etcd-servers=http://127.0.0.1:${ports.etcdClient}`,
      `--bind-address=${network.address}`,
      `--advertise-address=${network.address}`,
      `--secure-port=${ports.apiServer}`,
      `--tls-cert-file=${pki('apiserver.crt')}`,
      `--tls-private-key-file=${pki('apiserver.key')}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--service-account-key-file=${pki('service-account.pub')}`,
      `--service-account-signing-key-file=${pki('service-account.key')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-cluster-ip-range=${network.serviceRange}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
      `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
      `--kubelet-certificate-authority=${pki('ca.crt')}`,
      '--kubelet-preferred-address-types=InternalIP',
      // APIs that other programs serve: as whom it comes to them, and that it looks up itself where
      // they are rather than leave that to kube-proxy.
      `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
      `--requestheader-allowed-names=${frontProxyName}`,
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      `--proxy-client-cert-file=${pki(`${frontProxyName}.crt`)}`,
      `--proxy-client-key-file=${pki(`${frontProxyName}.key`)}`,
      '--enable-aggregator-routing',
      '--profiling=false',
    ],
    listens: [{ host: network.address, port: ports.apiServer }],
    isReady: async () => answersOk(`${apiServerUrl}/readyz`, adminTls(layout)),
  };
}

function describeControllerManager({ paths, layout }: LabContext): Part {
  return {
    name: 'kube-controller-manager',
    program: builtProgram(paths, 'kubernetes', 'kube-controller-manager'),
    args: [
      `--kubeconfig=${join(layout.kubeconfigs, 'controller-manager')}`,
      `--service-account-private-key-file=${join(layout.pki, 'service-account.key')}`,
      `--root-ca-file=${join(layout.pki, 'ca.crt')}`,
      '--use-service-account-credentials',
      '--leader-elect=false', // there is only one
      '--bind-address=127.0.0.1',
      `--secure-port=${ports.controllerManager}`,
      '--kube-api-qps=100',
      '--kube-api-burst=200',
      // As soon as there are figures (metrics-server): a store with an autoscaler waits for its first.
      '--horizontal-pod-autoscaler-sync-period=5s',
    ],
    listens: [{ host: loopback, port: ports.controllerManager }],
    isReady: () => answersOk(`https://127.0.0.1:${ports.controllerManager}/healthz`, selfSigned),
  };
}

function describeScheduler({ paths, layout }: LabContext): Part {
  return {
    name: 'kube-scheduler',
    program: builtProgram(paths, 'kubernetes', 'kube-scheduler'),
    args: [
      `--kubeconfig=${join(layout.kubeconfigs, 'scheduler')}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
      `--secure-port=${ports.scheduler}`,
    ],
    listens: [{ host: loopback, port: ports.scheduler }],
    isReady: () => answersOk(`https://127.0.0.1:${ports.scheduler}/healthz`, selfSigned),
  };
}

function describeKubelet({ paths, layout }: LabContext): Part {
  return {
    name: 'kubelet',
    program: builtProgram(paths, 'kubernetes', 'kubelet'),
    args: [
      `--config=${kubeletConfigPath(layout)}`,
      `--kubeconfig=${join(layout.kubeconfigs, 'kubelet')}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${network.address}`,
      `--root-dir=${layout.kubelet}`,
      `--cert-dir=${join(layout.kubelet, 'pki')}`,
    ],
    env: { PATH: systemPath },
    configuration: renderKubeletConfig(layout),
    listens: [
      { host: network.address, port: ports.kubelet },
      { host: loopback, port: ports.kubeletHealth },
    ],
    isReady: () => answersOk(`http://127.0.0.1:${ports.kubeletHealth}/healthz`),
  };
}

/** Where the kubelet has its configuration. */
export function kubeletConfigPath(layout: LabLayout): string {
  return join(layout.config, 'kubelet.json');
}

/** The kubelet's configuration; cgroupfs and both cgroup versions, so that it runs anywhere. */
export function renderKubeletConfig(layout: LabLayout): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: network.address,
    port: ports.kubelet,
    healthzBindAddress: '127.0.0.1',
    healthzPort: ports.kubeletHealth,
    tlsCertFile: join(layout.pki, 'kubelet.crt'),
    tlsPrivateKeyFile: join(layout.pki, 'kubelet.key'),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: join(layout.pki, 'ca.crt') },
    },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    failCgroupV1: false,
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${layout.containerdSocket}`,
    clusterDNS: [network.dnsServiceAddress],
    clusterDomain: 'cluster.local',
    podLogsDir: layout.podLogs,
    containerLogMaxSize: '5Mi',
    containerLogMaxFiles: 2,
    volumePluginDir: join(layout.kubelet, 'plugin-programs'),
    // Images come from the cache and from nowhere else: none may be evicted.
    imageGCHighThresholdPercent: 100,
    evictionHard: {},
    maxPods: 250,
    serializeImagePulls: false,
  });
}

function describeKubeProxy({ paths, layout }: LabContext): Part {
  return {
    name: 'kube-proxy',
    program: builtProgram(paths, 'kubernetes', 'kube-proxy'),
    args: [
      `--kubeconfig=${join(layout.kubeconfigs, 'kube-proxy')}`,
      `--hostname-override=${nodeName}`,
      `--cluster-cidr=${network.podRange}`,
      '--proxy-mode=iptables',
      `--healthz-bind-address=127.0.0.1:${ports.proxyHealth}`,
      `--metrics-bind-address=127.0.0.1:${ports.proxyMetrics}`,
      `--nodeport-addresses=${network.address}/32`,
      '--iptables-localhost-nodeports=false',
      // Leave the machine's limits as they are.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ],
    env: { PATH: systemPath },
    listens: [
      { host: loopback, port: ports.proxyHealth },
      { host: loopback, port: ports.proxyMetrics },
    ],
    isReady: () => answersOk(`http://127.0.0.1:${ports.proxyHealth}/healthz`),
  };
}

function describeCoreDns({ paths, layout }: LabContext): Part {
  const health = `127.0.0.1:${ports.dnsHealth}`;
  return {
    name: 'coredns',
    program: builtProgram(paths, 'coredns'),
    args: ['-conf', corefilePath(layout)],
    configuration: renderCorefile(layout, readMachineNameservers()),
    listens: [
      { host: network.address, port: ports.dns },
      { host: loopback, port: ports.dnsHealth },
    ],
    isReady: () => answersOk(`http://${health}/ready`),
  };
}

/** Where CoreDNS has its configuration. */
export function corefilePath(layout: LabLayout): string {
  return join(layout.config, 'Corefile');
}

/** Cluster names from the API server; all others from the machine's name servers, if it has any. */
export function renderCorefile(layout: LabLayout, nameservers: readonly string[]): string {
  return [
    `.:${ports.dns} {`,
    `  bind ${network.address}`,
    '  errors',
    `  ready 127.0.0.1:${ports.dnsHealth}`,
    '  kubernetes cluster.local in-addr.arpa {',
    `    kubeconfig ${join(layout.kubeconfigs, 'coredns')} lab`,
    '    fallthrough in-addr.arpa',
    '    ttl 5',
    '  }',
    ...(nameservers.length > 0 ? [`  forward . ${nameservers.join(' ')}`] : []),
    '  cache 5',
    '}',
    '',
  ].join('\n');
}

/** Name servers that the machine itself uses. */
export function readMachineNameservers(): string[] {
  try {
    return parseNameservers(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    return [];
  }
}

/** The `nameserver` lines of a resolv.conf. */
export function parseNameservers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^nameserver\s+([0-9a-fA-F.:]+)\s*$/gm)].map(
    (match) => match[1] ?? '',
  );
}

function describeMetricsServer({ paths, layout }: LabContext): Part {
  const kubeconfig = join(layout.kubeconfigs, 'metrics-server');
  const pki = (name: string): string => join(layout.pki, name);
  return {
    name: 'metrics-server',
    program: builtProgram(paths, 'metrics-server'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${network.address}`,
      `--secure-port=${ports.metricsServer}`,
      `--tls-cert-file=${pki('metrics-server.crt')}`,
      `--tls-private-key-file=${pki('metrics-server.key')}`,
      `--kubelet-certificate-authority=${pki('ca.crt')}`,
      '--kubelet-preferred-address-types=InternalIP',
      '--kubelet-use-node-status-port',
      // The shortest it allows. Figures are a difference of two looks.
      '--metric-resolution=10s',
      '--kubelet-request-timeout=5s',
      '--profiling=false',
    ],
    listens: [{ host: network.address, port: ports.metricsServer }],
    // Not /readyz: that waits for figures of a pod, and a new lab has none.
    isReady: async () =>
      answersOk(`https://${network.address}:${ports.metricsServer}/livez`, adminTls(layout)),
  };
}

function describeKeeper({ paths, layout }: LabContext): Part {
  return {
    name: 'keeper',
    program: process.execPath,
    args: [join(import.meta.dirname, 'main.ts'), 'keep'],
    env: { SHOPYARD_LAB_DIR: layout.root, SHOPYARD_CACHE_DIR: paths.cache },
    listens: [{ host: loopback, port: ports.keeper }],
    isReady: () => answersOk(`http://127.0.0.1:${ports.keeper}/healthz`),
  };
}

/** File with the token by which Traefik reads Ingresses and its own kinds. */
export function traefikTokenPath(layout: LabLayout): string {
  return join(layout.config, 'traefik.token');
}

function describeTraefik({ paths, layout }: LabContext): Part {
  return {
    name: 'traefik',
    program: builtProgram(paths, 'traefik'),
    args: [
      ...traefikArguments,
      `--entrypoints.web.address=127.0.0.1:${ports.ingress}`,
      // With a certificate that Traefik makes for itself.
      `--entrypoints.websecure.address=127.0.0.1:${ports.ingressTls}`,
      '--entrypoints.websecure.http.tls=true',
      `--entrypoints.ping.address=127.0.0.1:${ports.traefikPing}`,
      ...['kubernetesingress', 'kubernetescrd'].flatMap((provider) => [
        `--providers.${provider}.endpoint=${apiServerUrl}`,
        `--providers.${provider}.token=${traefikTokenPath(layout)}`,
        `--providers.${provider}.certauthfilepath=${join(layout.pki, 'ca.crt')}`,
      ]),
    ],
    listens: [
      { host: loopback, port: ports.ingress },
      { host: loopback, port: ports.ingressTls },
      { host: loopback, port: ports.traefikPing },
    ],
    isReady: () => answersOk(`http://127.0.0.1:${ports.traefikPing}/ping`),
  };
}

function describeArgocdEnvironment({
  paths,
  layout,
  settings,
}: LabContext): Record<string, string> {
  const folder = (name: string): string => join(layout.argocd, name);
  const helm = programFolder(paths, findProgram('helm'));
  const argocd = programFolder(paths, findProgram('argocd'));
  return {
    PATH: `${helm}:${argocd}:${systemPath}`,
    TMPDIR: folder('tmp'),
    // Its parts take this file for the account that they would have in a pod.
    ARGOCD_FAKE_IN_CLUSTER: 'true',
    KUBECONFIG: join(layout.kubeconfigs, 'argocd'),
    ARGOCD_GPG_ENABLED: 'false',
    ARGOCD_GNUPGHOME: folder('gpg'),
    ARGOCD_TLS_DATA_PATH: folder('tls'),
    ARGOCD_SSH_DATA_PATH: folder('ssh'),
    ARGOCD_PLUGINSOCKFILEPATH: folder('plugins'),
    // Otherwise in /tmp, where a second lab's would take its place.
    ARGOCD_ASK_PASS_SOCK: join(folder('tmp'), 'ask-pass.sock'),
    ARGOCD_RECONCILIATION_TIMEOUT: `${settings.reconciliationSeconds}s`,
    ARGOCD_RECONCILIATION_JITTER: reconciliationJitter,
    ARGOCD_SYNC_WAVE_DELAY: String(settings.syncWaveDelaySeconds),
  };
}

/** Folders that Argo CD's parts expect to find. */
export const argocdFolders = ['tmp', 'gpg', 'tls', 'ssh', 'plugins'] as const;

function describeRepoServer(context: LabContext): Part {
  const { paths, layout } = context;
  return {
    name: 'argocd-repo-server',
    program: builtProgram(paths, 'argocd', 'argocd-repo-server'),
    args: [
      ...['--loglevel', 'warn', '--address', '127.0.0.1', '--port', String(ports.repoServer)],
      ...['--metrics-address', '127.0.0.1', '--metrics-port', String(ports.repoServerMetrics)],
      ...['--redis', `127.0.0.1:${ports.redis}`, '--disable-tls', '--client-ca-path='],
    ],
    env: describeArgocdEnvironment(context),
    // Clones of a repo-server that was killed are not taken up again.
    prepare: () => rm(join(layout.argocd, 'tmp', '_argocd-repo'), { recursive: true, force: true }),
    listens: [
      { host: loopback, port: ports.repoServer },
      { host: loopback, port: ports.repoServerMetrics },
    ],
    isReady: () => answersOk(`http://127.0.0.1:${ports.repoServerMetrics}/healthz`),
  };
}

function describeArgocdServer(context: LabContext): Part {
  const { paths, layout } = context;
  return {
    name: 'argocd-server',
    program: builtProgram(paths, 'argocd', 'argocd-server'),
    args: [
      ...['--loglevel', 'warn', '--address', '127.0.0.1', '--port', String(ports.argocdServer)],
      ...['--metrics-address', '127.0.0.1', '--metrics-port', String(ports.argocdServerMetrics)],
      ...['--insecure', '--disable-auth', '--redis', `127.0.0.1:${ports.redis}`],
      ...['--repo-server', `127.0.0.1:${ports.repoServer}`, '--repo-server-plaintext'],
      ...['--kubeconfig', join(layout.kubeconfigs, 'argocd'), '--namespace', argocdNamespace],
    ],
    env: describeArgocdEnvironment(context),
    listens: [
      { host: loopback, port: ports.argocdServer },
      { host: loopback, port: ports.argocdServerMetrics },
    ],
    isReady: () => answersOk(`http://127.0.0.1:${ports.argocdServer}/healthz`),
  };
}

function describeApplicationController(context: LabContext): Part {
  const { paths, layout, settings } = context;
  const health = ports.applicationControllerMetrics;
  return {
    name: 'argocd-application-controller',
    program: builtProgram(paths, 'argocd', 'argocd-application-controller'),
    args: [
      ...['--loglevel', 'warn', '--redis', `127.0.0.1:${ports.redis}`],
      ...['--repo-server', `127.0.0.1:${ports.repoServer}`, '--repo-server-plaintext'],
      ...['--metrics-port', String(health)],
      ...[
        '--app-resync',
        String(settings.reconciliationSeconds),
        '--app-resync-jitter',
        reconciliationJitter.slice(0, -1),
      ],
      ...['--sync-timeout', String(settings.syncTimeoutSeconds)],
      ...['--kubeconfig', join(layout.kubeconfigs, 'argocd'), '--namespace', argocdNamespace],
    ],
    env: describeArgocdEnvironment(context),
    listens: [{ host: loopback, port: ports.applicationControllerMetrics }],
    isReady: () => answersOk(`http://127.0.0.1:${health}/healthz`),
  };
}

interface TlsOptions {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/** For health pages on loopback whose certificate the program made for itself. */
const selfSigned: TlsOptions = { rejectUnauthorized: false };

function adminTls(layout: LabLayout): TlsOptions {
  const read = (name: string): Buffer => readFileSync(join(layout.pki, name));
  return { ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') };
}

/** Whether a GET answers with a status of 2xx within two seconds. */
function answersOk(url: string, tls: TlsOptions = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, { ...tls, agent: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve(Math.floor((response.statusCode ?? 0) / 100) === 2);
    });
    request.on('error', () => resolve(false));
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.end();
  });
}

/** Whether something accepts connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 2000 });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
    socket.on('timeout', () => {
      socket.destroy();
      resolve(false);
    });
  });
}
