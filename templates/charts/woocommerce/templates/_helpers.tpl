{{/* The plan's sizes. The schema has checked its name. */}}
{{- define "woocommerce.plan" -}}
{{ index (.Files.Get "plans.yaml" | fromYaml) .Values.plan | toYaml }}
{{- end }}

{{/*
The plan that the volumes were sized by when the store was made. A StatefulSet's claims cannot be changed, no claim can
shrink, and few storage classes let one grow: a change of plan leaves storage as it is.
*/}}
{{- define "woocommerce.storagePlan" -}}
{{ index (.Files.Get "plans.yaml" | fromYaml) .Values.storagePlan | toYaml }}
{{- end }}

{{/* Public address in parts: scheme, host (with its port), hostname. */}}
{{- define "woocommerce.address" -}}
{{- $url := urlParse .Values.url -}}
scheme: {{ $url.scheme }}
host: {{ $url.host | quote }}
hostname: {{ $url.hostname | quote }}
{{- end }}

{{/* Labels of every object. No app.kubernetes.io/instance: under label tracking Argo CD takes it for its own. */}}
{{- define "woocommerce.labels" -}}
app.kubernetes.io/name: woocommerce
app.kubernetes.io/part-of: shopyard
shopyard.dev/store: {{ .Values.store.id }}
shopyard.dev/tenant: {{ .Values.store.tenant | quote }}
{{- end }}

{{/* What every pod must say under the Pod Security standard `restricted`. Takes the user's number. */}}
{{- define "woocommerce.pod-security" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "woocommerce.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Annotations of an Argo CD hook. Takes the wave. */}}
{{- define "woocommerce.hook" -}}
argocd.argoproj.io/hook: Sync
argocd.argoproj.io/hook-delete-policy: BeforeHookCreation
argocd.argoproj.io/sync-wave: {{ . | quote }}
{{- end }}

{{/* Environment of every process that loads WordPress. */}}
{{- define "woocommerce.environment" -}}
- name: WORDPRESS_URL
  value: {{ .Values.url | quote }}
- name: WORDPRESS_DB_HOST
  value: database
- name: WORDPRESS_DB_NAME
  value: wordpress
- name: WORDPRESS_DB_USER
  value: wordpress
- name: SHOPYARD_INTERNAL_SECRETS
  value: /run/secrets/shopyard/internal
{{- end }}

{{- define "woocommerce.mounts" -}}
- name: uploads
  mountPath: /usr/src/wordpress/wp-content/uploads
- name: internal-secrets
  mountPath: /run/secrets/shopyard/internal
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "woocommerce.volumes" -}}
- name: uploads
  persistentVolumeClaim:
    claimName: uploads
- name: internal-secrets
  secret:
    secretName: store-internal
    defaultMode: 288 # 0440
- name: tmp
  emptyDir:
    sizeLimit: 512Mi
{{- end }}

{{/* The uploads volume is attached to one node at a time: whoever mounts it goes where the web pod is. */}}
{{- define "woocommerce.beside-web" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          app.kubernetes.io/component: web
{{- end }}
