{{/*
The plan's ResourceQuota and LimitRange. Takes root; reads the plan's `quota`.

A plan's quota must give way before a larger plan's pods come and may close in only after they are gone. So it bears its
plan's name and stands in the last wave: on a change of plan Argo CD prunes what is left over in the reverse order of
waves, the former quota first (the last wave), the former LimitRange last, and makes the new quota at the end.
*/}}
{{- define "store.limits" -}}
{{- $plan := include "store.plan" . | fromYaml }}
{{- $storagePlan := include "store.storagePlan" . | fromYaml -}}
apiVersion: v1
kind: ResourceQuota
metadata:
  name: plan-{{ .Values.plan }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: {{ include "store.lastWave" . | quote }}
spec:
  hard:
    {{- omit $plan.quota "requests.storage" | toYaml | nindent 4 }}
    requests.storage: {{ index $storagePlan.quota "requests.storage" }}
    persistentvolumeclaims: "4"
    pods: "20"
    services.loadbalancers: "0"
    services.nodeports: "0"
---
# For pods that name no resources of their own: none of ours, so it is for what people start by hand. Named for the plan
# as well: it is the other end of the pair that turns the order of pruning round.
apiVersion: v1
kind: LimitRange
metadata:
  name: plan-{{ .Values.plan }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "store.labels" . | nindent 4 }}
  annotations:
    argocd.argoproj.io/sync-wave: "-3"
spec:
  limits:
    - type: Container
      default:
        cpu: 500m
        memory: 128Mi
      defaultRequest:
        cpu: 10m
        memory: 32Mi
{{- end }}
