{{/* Environment of every process that loads Medusa. */}}
{{- define "medusa.environment" -}}
- name: STORE_URL
  value: {{ .Values.url | quote }}
- name: STORE_NAME
  value: {{ .Values.store.name | quote }}
- name: DATABASE_HOST
  value: database
- name: DATABASE_NAME
  value: medusa
- name: DATABASE_USER
  value: medusa
- name: REDIS_HOST
  value: redis
- name: HOME
  value: /tmp/home
{{- end }}

{{/* Their Secret as files, and the only place they write to. */}}
{{- define "medusa.mounts" -}}
- name: internal-secrets
  mountPath: /secrets/internal
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "medusa.volumes" -}}
{{ include "medusa.secret" (dict "name" "internal-secrets" "secret" "store-internal"
  "keys" (list "database-password" "redis-password" "jwt-secret" "cookie-secret")) }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end }}

{{/* A volume with some keys of a Secret. Takes name, secret, keys. */}}
{{- define "medusa.secret" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 288 # 0440
    items:
      {{- range .keys }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}
