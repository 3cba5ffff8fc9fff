/** The fixed points of the Kind cluster: names, and where its files lie on this machine. */
import { join } from 'node:path';

/** Of the cluster; its one node is a container called after it. */
export const clusterName = 'shopyard';
export const nodeContainer = `${clusterName}-control-plane`;

/** In the node; Docker maps them to the ports that the lab has on loopback. */
export const nodePorts = { ingress: 30080, argocdServer: 30081 } as const;

export interface KindLayout {
  readonly root: string;
  readonly secrets: string;
  readonly connection: string;
  readonly adminKubeconfig: string;
  readonly observerKubeconfig: string;
  /** Build contexts of images that were given archives. */
  readonly contexts: string;
  readonly argocdManifest: string;
  readonly traefikCrds: string;
}

/** Where each thing lies in Kind's folder. */
export function layOutKind(root: string): KindLayout {
  return {
    root,
    secrets: join(root, 'secrets.json'),
    connection: join(root, 'connection.json'),
    adminKubeconfig: join(root, 'kubeconfig'),
    observerKubeconfig: join(root, 'observer.kubeconfig'),
    contexts: join(root, 'contexts'),
    argocdManifest: join(root, 'argocd-install.yaml'),
    traefikCrds: join(root, 'traefik-crds.yaml'),
  };
}
