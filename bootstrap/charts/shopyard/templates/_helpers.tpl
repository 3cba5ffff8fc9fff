{{- define "shopyard.labels" -}}
app.kubernetes.io/name: shopyard
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* What a Deployment, Service or policy knows the pods of one role by. Takes the role. */}}
{{- define "shopyard.selector" -}}
app.kubernetes.io/name: shopyard
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* Name, namespace and labels of one role's object. Takes root, role. */}}
{{- define "shopyard.metadata" -}}
name: shopyard-{{ .role }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "shopyard.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "shopyard.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* 'true' where the embedded git server keeps the cluster repository. */}}
{{- define "shopyard.embedded" -}}
{{ eq (.Values.settings.SHOPYARD_FORGE | default "embedded") "embedded" }}
{{- end }}

{{/* The roles that run, as a JSON list. */}}
{{- define "shopyard.roles" -}}
{{- if eq (include "shopyard.embedded" .) "true" -}}
["api","portal","writer","observer","forge"]
{{- else -}}
["api","portal","writer","observer"]
{{- end -}}
{{- end }}

{{/*
Who is told what: of each setting and secret that is not for every role, the roles that it is for. What is not listed is
no secret and goes to all.
*/}}
{{- define "shopyard.audience" -}}
DATABASE_URL: [api, writer, observer]
SHOPYARD_AUTH_SECRET: [api]
SHOPYARD_PORTAL_SECRET: [api, portal]
SHOPYARD_BOOTSTRAP_TOKEN: [api]
SHOPYARD_ADMIN_EMAIL: [api]
SHOPYARD_OPEN_SIGN_UP: [api]
SHOPYARD_TENANTS_PER_USER: [api]
SHOPYARD_OIDC_ISSUER: [api]
SHOPYARD_OIDC_CLIENT_ID: [api]
SHOPYARD_OIDC_CLIENT_SECRET: [api]
SHOPYARD_OIDC_NAME: [api]
SHOPYARD_SMTP_URL: [api, observer]
SHOPYARD_MAIL_FROM: [api, observer]
SHOPYARD_FORGE_TOKEN: [api, writer]
SHOPYARD_FORGE_TOKEN_FILE: [api, writer]
SHOPYARD_FORGE_WEBHOOK_SECRET: [api]
SHOPYARD_GITHUB_APP_ID: [api, writer]
SHOPYARD_GITHUB_APP_KEY_FILE: [api, writer]
SHOPYARD_GITHUB_APP_INSTALLATION_ID: [api, writer]
SHOPYARD_GITHUB_COMMITS: [api, writer]
SHOPYARD_FORGE_READ_PASSWORD: [api, forge]
SHOPYARD_FORGE_WRITE_PASSWORD: [writer, forge]
{{- end }}

{{/* Whether a role is one that is told. Takes role, name (the setting's). */}}
{{- define "shopyard.isTold" -}}
{{- $audience := get (include "shopyard.audience" . | fromYaml) .name -}}
{{- if $audience }}{{ has .role $audience }}{{ else }}true{{ end -}}
{{- end }}

{{/* The settings of a role, as YAML. Takes root, role. */}}
{{- define "shopyard.settings" -}}
{{- $role := .role }}
{{- $here := .root.Release.Namespace }}
{{- $settings := dict "HOST" "0.0.0.0" "PORT" "8080" "SHOPYARD_DATA_DIR" "/var/lib/shopyard" }}
{{- if has $role (list "api" "writer" "observer") }}
{{- $_ := set $settings "SHOPYARD_CLUSTERS" "/etc/shopyard/clusters.yaml" }}
{{- end }}
{{- if eq $role "portal" }}
{{- $_ := set $settings "SHOPYARD_API_URL" "http://shopyard-api" }}
{{- end }}
{{- if eq (include "shopyard.embedded" .root) "true" }}
{{- $_ := set $settings "SHOPYARD_REPOSITORY_URL" (printf "http://shopyard-forge.%s.svc:8081/shopyard.git" $here) }}
{{- if eq $role "forge" }}
{{- $_ := set $settings "SHOPYARD_FORGE_HOST" "0.0.0.0" }}
{{- $_ := set $settings "SHOPYARD_FORGE_PORT" "8081" }}
{{- end }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
{{- if and (eq (include "shopyard.isTold" (dict "role" $role "name" $name)) "true") (not (kindIs "invalid" $value)) }}
{{- $_ := set $settings $name (kindIs "string" $value | ternary $value ($value | toJson)) }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* The secrets of a role, as environment variables. Takes root, role. */}}
{{- define "shopyard.secrets" -}}
{{- $role := .role }}
{{- range $name, $place := .root.Values.secrets }}
{{- if eq (include "shopyard.isTold" (dict "role" $role "name" $name)) "true" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $place.name }}
      key: {{ $place.key }}
{{- end }}
{{- end }}
{{- end }}

{{/* 'true' where parts look at the cluster they run on. */}}
{{- define "shopyard.looksHere" -}}
{{- $looks := false }}
{{- range .Values.clusters }}
{{- if .inCluster }}{{ $looks = true }}{{ end }}
{{- end }}
{{- $looks }}
{{- end }}
