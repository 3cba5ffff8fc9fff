{{/*
Who may talk to whom. Nothing may, but for what these policies name; they add up. Pods are named by their component.

  store.network            everyone: deny, names; the secret Job: the API server. Takes root.
  store.network-inward     the receiving end: who reaches a component. Takes root, component, port, visitors (true: the
                           ingress controller and the control plane), clients (components).
  store.network-metrics    the same for Prometheus, which is none of the store's: who reaches a component's port of that
                           name. Takes root, component, port.
  store.network-outward    the calling end: whom components reach. Takes root, name, components, to (list of component,
                           port), internet (true: port 443 of public addresses), anywhere (ports, at any address).
*/}}

{{- define "store.network-policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
{{- end }}

{{- define "store.network" -}}
{{ include "store.network-policy" (dict "root" . "name" "default-deny") }}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
{{ include "store.network-policy" (dict "root" . "name" "dns") }}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - { protocol: UDP, port: 53 }
        - { protocol: TCP, port: 53 }
---
# The API server has no pods to select and its address differs from cluster to cluster: any address, its two ports.
{{ include "store.network-outward" (dict "root" . "name" "secrets" "components" (list "secrets") "anywhere" (list 443 6443)) }}
{{- end }}

{{- define "store.network-inward" -}}
{{ include "store.network-policy" (dict "root" .root "name" .component) }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/component: {{ .component }}
  policyTypes: [Ingress]
  ingress:
    - from:
        {{- if .visitors }}
        # Visitors come through the ingress controller alone; the control plane asks for orders.
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- .root.Values.cluster.ingressNamespaces | toYaml | nindent 18 }}
          podSelector:
            matchLabels:
              {{- .root.Values.cluster.ingressPods | toYaml | nindent 14 }}
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ .root.Values.cluster.observer.namespace }}
        {{- end }}
        {{- with .clients }}
        - podSelector:
            matchExpressions:
              - key: app.kubernetes.io/component
                operator: In
                values: [{{ join ", " . }}]
        {{- end }}
      ports:
        - { protocol: TCP, port: {{ .port }} }
{{- end }}

{{- define "store.network-metrics" -}}
{{ include "store.network-policy" (dict "root" .root "name" "metrics") }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/component: {{ .component }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- .root.Values.cluster.monitoringNamespaces | toYaml | nindent 18 }}
      ports:
        - { protocol: TCP, port: {{ .port }} }
{{- end }}

{{- define "store.network-outward" -}}
{{ include "store.network-policy" (dict "root" .root "name" .name) }}
spec:
  podSelector:
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: [{{ join ", " .components }}]
  policyTypes: [Egress]
  egress:
    {{- range .to }}
    - to:
        - podSelector:
            matchLabels:
              app.kubernetes.io/component: {{ .component }}
      ports:
        - { protocol: TCP, port: {{ .port }} }
    {{- end }}
    {{- if .internet }}
    # Payment and update servers, never a private network.
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except:
              - 0.0.0.0/8
              - 10.0.0.0/8
              - 100.64.0.0/10
              - 127.0.0.0/8
              - 169.254.0.0/16
              - 172.16.0.0/12
              - 192.168.0.0/16
              - 224.0.0.0/4
        - ipBlock:
            cidr: 2000::/3
      ports:
        - { protocol: TCP, port: 443 }
    {{- end }}
    {{- with .anywhere }}
    - ports:
        {{- range . }}
        - { protocol: TCP, port: {{ . }} }
        {{- end }}
    {{- end }}
{{- end }}
