{{/* What every pod must say under the Pod Security standard `restricted`. Takes the user's number. */}}
{{- define "store.pod-security" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "store.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* An image by its name in `.Values.images`. Takes root, image. */}}
{{- define "store.image" -}}
{{ printf "%s/%s" .root.Values.cluster.imageRegistry (get .root.Values.images .image) }}
{{- end }}

{{/* Annotations of an Argo CD hook. Takes the wave. */}}
{{- define "store.hook" -}}
argocd.argoproj.io/hook: Sync
argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
argocd.argoproj.io/sync-wave: {{ . | quote }}
{{- end }}

{{/* A volume is attached to one node at a time: who shares one goes where its main user is. Takes the component. */}}
{{- define "store.beside" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          app.kubernetes.io/component: {{ . }}
{{- end }}
