/**
 * What Kind's cluster is made with, and the Kubernetes objects that only it needs: Traefik in a pod,
 * and ways in from this machine. What it shares with the lab comes from there.
 */
import type { KubernetesObject } from '../lab/kubernetes.ts';
import { argocdNamespace, ports } from '../lab/layout.ts';
import { describeTraefikAccess, traefikArguments } from '../lab/objects.ts';
import { versions } from '../lab/versions.ts';
import { clusterName, nodePorts } from './layout.ts';

const traefikNamespace = 'traefik';

/** Kind's own configuration: one node, and two of its ports on this machine's loopback. */
export function describeCluster(): object {
  const map = (containerPort: number, hostPort: number): object => ({
    containerPort,
    hostPort,
    listenAddress: '127.0.0.1',
    protocol: 'TCP',
  });
  return {
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    name: clusterName,
    nodes: [
      {
        role: 'control-plane',
        image: versions.kindNode,
        extraPortMappings: [
          map(nodePorts.ingress, ports.ingress),
          map(nodePorts.argocdServer, ports.argocdServer),
        ],
      },
    ],
  };
}

/** Traefik, as restricted as a store's own pods. */
export function describeTraefik(): KubernetesObject[] {
  const labels = { 'app.kubernetes.io/name': 'traefik' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: traefikNamespace,
        labels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
      },
    },
    ...describeTraefikAccess(traefikNamespace, 'shopyard-kind:traefik'),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'traefik', namespace: traefikNamespace, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: 'traefik',
            securityContext: {
              runAsNonRoot: true,
              runAsUser: 65532,
              runAsGroup: 65532,
              seccompProfile: { type: 'RuntimeDefault' },
            },
            containers: [
              {
                name: 'traefik',
                image: `docker.io/library/traefik:v${versions.traefik}`,
                args: [
                  ...traefikArguments,
                  '--entrypoints.web.address=:8000',
                  '--entrypoints.ping.address=:8082',
                ],
                ports: [
                  { name: 'web', containerPort: 8000 },
                  { name: 'ping', containerPort: 8082 },
                ],
                readinessProbe: { httpGet: { path: '/ping', port: 'ping' } },
                livenessProbe: { httpGet: { path: '/ping', port: 'ping' } },
                resources: {
                  requests: { cpu: '50m', memory: '64Mi' },
                  limits: { cpu: '1', memory: '256Mi' },
                },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ['ALL'] },
                },
                // Bodies over a megabyte, while a Middleware compares them with its limit.
                volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
              },
            ],
            volumes: [{ name: 'tmp', emptyDir: {} }],
          },
        },
      },
    },
    describeNodePort('traefik', traefikNamespace, labels, 8000, nodePorts.ingress),
  ];
}

/** Argo CD's API for the control plane, which runs on this machine, and its pages for people. */
export function describeArgocdDoor(): KubernetesObject {
  const selector = { 'app.kubernetes.io/name': 'argocd-server' };
  return describeNodePort(
    'argocd-server-loopback',
    argocdNamespace,
    selector,
    8080,
    nodePorts.argocdServer,
  );
}

function describeNodePort(
  name: string,
  namespace: string,
  selector: Readonly<Record<string, string>>,
  targetPort: number,
  nodePort: number,
): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'NodePort', selector, ports: [{ name: 'http', port: 80, targetPort, nodePort }] },
  };
}
