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
{{- if .Values.options.object_cache }}
- name: REDIS_HOST
  value: redis
{{- end }}
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
