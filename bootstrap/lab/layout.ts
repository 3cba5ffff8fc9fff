/**
 * The fixed points of the lab: names, addresses and ports, and the folders inside the lab folder.
 *
 * Everything listens on loopback, except what pods must reach or a Service leads to (API server,
 * kubelet, cluster DNS, metrics-server): that listens on an address of an interface the lab makes
 * for itself. The ports are not the usual
 * ones of Kubernetes, so that a lab can live beside another cluster's programs.
 */
import { join } from 'node:path';
import type { LabPaths } from './paths.ts';

export const nodeName = 'lab';
export const argocdNamespace = 'argocd';

/** The Service by which the API server finds metrics-server. */
export const metricsService = { name: 'metrics-server', namespace: 'kube-system' } as const;

export const network = {
  /** A bridge without ports that only carries the lab's own address. */
  interface: 'shopyard0',
  address: '10.243.0.1',
  cniName: 'shopyard-lab',
  podRange: '10.244.0.0/16',
  serviceRange: '10.96.0.0/16',
  /** First address of the service range: the Service `kubernetes`. */
  apiServiceAddress: '10.96.0.1',
  dnsServiceAddress: '10.96.0.10',
} as const;

export const ports = {
  /** What people and the control plane use. */
  ingress: 8088,
  ingressTls: 18443,
  forge: 8081,
  argocdServer: 18080,
  /** On the lab's own address. */
  apiServer: 16443,
  kubelet: 20250,
  metricsServer: 20251,
  dns: 20053,
  /** On loopback, between parts and for health checks. */
  etcdClient: 20379,
  etcdPeer: 20380,
  etcdMetrics: 20381,
  controllerManager: 20257,
  scheduler: 20259,
  kubeletHealth: 20248,
  proxyHealth: 20256,
  proxyMetrics: 20249,
  dnsHealth: 20054,
  redis: 20639,
  repoServer: 18081,
  repoServerMetrics: 18084,
  argocdServerMetrics: 18083,
  applicationControllerMetrics: 18082,
  traefikPing: 18089,
  keeper: 20100,
} as const;

/** Folders and files inside the lab folder. */
export interface LabLayout {
  readonly root: string;
  readonly logs: string;
  readonly podLogs: string;
  readonly processes: string;
  readonly pki: string;
  readonly kubeconfigs: string;
  readonly etcd: string;
  readonly containerd: string;
  readonly containerdSocket: string;
  readonly cni: string;
  readonly kubelet: string;
  readonly volumes: string;
  readonly argocd: string;
  readonly config: string;
  readonly secrets: string;
  readonly connection: string;
  readonly adminKubeconfig: string;
  readonly observerKubeconfig: string;
  readonly machine: string;
  readonly importedImages: string;
}

/** Where each thing lies in the lab folder. */
export function layOut(paths: LabPaths): LabLayout {
  const root = paths.lab;
  return {
    root,
    logs: join(root, 'logs'),
    podLogs: join(root, 'logs', 'pods'),
    processes: join(root, 'processes'),
    pki: join(root, 'pki'),
    kubeconfigs: join(root, 'kubeconfigs'),
    etcd: join(root, 'etcd'),
    containerd: join(root, 'containerd'),
    containerdSocket: join(root, 'containerd', 'containerd.sock'),
    cni: join(root, 'cni'),
    kubelet: join(root, 'kubelet'),
    volumes: join(root, 'volumes'),
    argocd: join(root, 'argocd'),
    config: join(root, 'config'),
    secrets: join(root, 'secrets.json'),
    connection: join(root, 'connection.json'),
    adminKubeconfig: join(root, 'kubeconfig'),
    observerKubeconfig: join(root, 'observer.kubeconfig'),
    machine: join(root, 'machine.json'),
    importedImages: join(root, 'imported-images.json'),
  };
}
