/**
 * Which components of a store may talk to which, read from both ends of its NetworkPolicies. Pure; for tests.
 */
import type { Manifest, Peer, PodSelector } from './render-chart.ts';

const COMPONENT = 'app.kubernetes.io/component';

/** Connections within the store, as `caller → callee:port`, sorted: as callers may make them, and as callees take them. */
export function readConnections(manifests: readonly Manifest[]): {
  readonly calls: readonly string[];
  readonly admissions: readonly string[];
} {
  const calls = new Set<string>();
  const admissions = new Set<string>();
  for (const { kind, spec } of manifests) {
    if (kind !== 'NetworkPolicy') continue;
    const own = readComponents(spec?.podSelector);
    for (const { to, ports } of spec?.egress ?? [])
      for (const callee of readPeers(to))
        for (const { port } of ports)
          for (const one of own) calls.add(`${one} → ${callee}:${port}`);
    for (const { from, ports } of spec?.ingress ?? [])
      for (const caller of readPeers(from))
        for (const { port } of ports)
          for (const one of own) admissions.add(`${caller} → ${one}:${port}`);
  }
  return { calls: [...calls].sort(), admissions: [...admissions].sort() };
}

/** Components among the peers; pods of other namespaces and addresses are none. */
function readPeers(peers: readonly Peer[] = []): string[] {
  return peers.flatMap(({ podSelector, namespaceSelector }) =>
    namespaceSelector === undefined ? readComponents(podSelector) : [],
  );
}

function readComponents(selector: PodSelector | undefined): readonly string[] {
  const label = selector?.matchLabels?.[COMPONENT];
  if (label !== undefined) return [label];
  return selector?.matchExpressions?.find(({ key }) => key === COMPONENT)?.values ?? [];
}
