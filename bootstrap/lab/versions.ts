/**
 * Every version the lab is made of, in one place. A program is rebuilt when its line here (or its
 * recipe in programs.ts) changes; an old build stays in the cache until someone removes it.
 */
export const versions = {
  helm: '3.22.0',
  etcd: '3.6.16',
  kubernetes: '1.34.4',
  argocd: '3.5.7',
  /** A local replace in Argo CD's own go.mod; as a module it has only pseudo-versions. */
  argocdGitopsEngine: '0.0.0-20260914071520-c9c369efcc5b',
  coredns: '1.12.4',
  traefik: '3.6.12',
} as const;

/** The oldest Go that compiles all of the above (Argo CD and its Kubernetes libraries ask for it). */
export const minimumGo = '1.26.0';
