/**
 * Every version the lab is made of, in one place, and those of Kind and k3s: what they share with the
 * lab they take from the same line (bootstrap/k3s reads this file line by line). A program is rebuilt when its line here (or its
 * recipe in programs.ts) changes; an old build stays in the cache until someone removes it.
 */
export const versions = {
  // renovate: helm/helm
  helm: '3.22.0',
  /** For the charts' tests: Argo CD renders with Helm 3, people also have 4. */
  // renovate: helm/helm
  helm4: '4.3.1',
  /** An S3 server, for the test of backups. */
  gofakes3: '1.2.0',
  /** A forge, for the tests of pull requests. From 1.27 on its module has another path. */
  // renovate: go-gitea/gitea
  gitea: '1.26.0',
  // renovate: etcd-io/etcd
  etcd: '3.6.16',
  // renovate: kubernetes/kubernetes
  kubernetes: '1.34.4',
  // renovate: argoproj/argo-cd
  argocd: '3.5.7',
  /** A local replace in Argo CD's own go.mod; as a module it has only pseudo-versions. */
  argocdGitopsEngine: '0.0.0-20260914071520-c9c369efcc5b',
  // renovate: coredns/coredns
  coredns: '1.12.4',
  // renovate: traefik/traefik
  traefik: '3.6.12',
  /** The add-on's chart has 0.8.1, which could not be had as a module when this was written. */
  // renovate: kubernetes-sigs/metrics-server
  metricsServer: '0.9.0',
  /** Of `manifests/install.yaml` at Argo CD's tag: what Kind and k3s download and apply. */
  argocdInstallSha256: '09bfbb9041b4a8503c6e4fa22cf41c403fa62be17526de353648a4551f5beb77',
  /** Of Traefik's CRDs at its tag, which the lab has from the module: what Kind downloads and applies. */
  traefikCrdsSha256: '19df8d4caa268314977886df8415cd809ec3faed4c6da608debc2b1c10e38397',
  /** As the release notes of Kind 0.33.0 name it: an image is made for one release of Kind. */
  kindNode:
    'kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d',
  // renovate: k3s-io/k3s
  k3s: 'v1.34.11+k3s1',
} as const;

/** The oldest Go that compiles all of the above (metrics-server asks for it). */
export const minimumGo = '1.26.4';
