{{/*
ServiceAccounts and who may do what in the namespace. Takes root, accounts (names; `secrets`, the secret Job's, is always
made).
*/}}
{{- define "store.access" -}}
{{- range $account := append .accounts "secrets" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $account }}
  namespace: {{ $.root.Release.Namespace }}
  labels:
    {{- include "store.labels" $.root | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
automountServiceAccountToken: false
---
{{ end -}}
# The secret Job may make Secrets and nothing else: without a right to read, it cannot take what it did not make.
{{ include "store.role" (dict "root" .root "name" "secrets" "verb" "create" "account" "secrets" "from" .root.Release.Namespace) }}
---
# The control plane reads these two on demand: the login to reveal, and the key for orders.
{{ include "store.role" (dict "root" .root "name" "observer" "verb" "get" "secrets" (list "store-admin" "store-api")
  "account" .root.Values.cluster.observer.serviceAccount "from" .root.Values.cluster.observer.namespace) }}
{{- end }}

{{/* A Role over Secrets and its binding. Takes root, name, verb, secrets (names; left out: any), account, from (its namespace). */}}
{{- define "store.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
rules:
  - apiGroups: [""]
    resources: [secrets]
    {{- with .secrets }}
    resourceNames: [{{ join ", " . }}]
    {{- end }}
    verbs: [{{ .verb }}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .from }}
{{- end }}
