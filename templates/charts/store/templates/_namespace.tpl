{{/*
The store's namespace, wave -5. Takes root. Nobody inside can write it: the admission policies believe its annotations,
which say by what hosts the store may be reached and how its images' names begin.
*/}}
{{- define "store.namespace" -}}
{{- $expected := printf "store-%s-%s" .Values.store.tenant .Values.store.name }}
{{- if ne .Release.Namespace $expected }}
{{- fail (printf "this store belongs in namespace %s, not in %s" $expected .Release.Namespace) }}
{{- end -}}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ .Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
    pod-security.kubernetes.io/audit: restricted
  annotations:
    argocd.argoproj.io/sync-wave: "-5"
    shopyard.dev/hosts: {{ (include "store.address" . | fromYaml).hostname | quote }}
    shopyard.dev/images: {{ .Values.cluster.imageRegistry }}/
{{- end }}

{{/* A change of hooks alone starts no sync: this tracked object differs with every generation, so it does. Takes root. */}}
{{- define "store.generation" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: shopyard-generation
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
data:
  generation: {{ .Values.store.generation | toString | quote }}
{{- end }}
