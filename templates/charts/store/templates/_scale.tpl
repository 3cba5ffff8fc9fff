{{/*
Keeps between min and max pods of a Deployment (which then names no `replicas`), so many that one uses about so much CPU.
Takes root, component, min, max, cpu.

Its figures come from metrics-server. A chart that Argo CD renders cannot ask whether there is one: of a cluster's APIs
it is told only those that can be watched, and the one of figures cannot. Without it the autoscaler says what it misses,
and Argo CD calls the store degraded with these words.
*/}}
{{- define "store.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    argocd.argoproj.io/sync-wave: {{ include "store.lastWave" .root | quote }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .component }}
  minReplicas: {{ .min }}
  maxReplicas: {{ .max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          # A value: requests are what a pod uses at rest, and a share of that says little.
          type: AverageValue
          averageValue: {{ .cpu | quote }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 600
{{- end }}

{{/* Lets a node be drained one pod at a time. Takes root, component, wave. */}}
{{- define "store.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    argocd.argoproj.io/sync-wave: {{ .wave | quote }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/component: {{ .component }}
{{- end }}
