{{/*
What the store's values come to. Each takes the chart's root (`.`), from whose plans.yaml and values it reads.
*/}}

{{/* The plan's sizes. The schema has checked its name. */}}
{{- define "store.plan" -}}
{{ index (.Files.Get "plans.yaml" | fromYaml) .Values.plan | toYaml }}
{{- end }}

{{/*
The plan that the volumes were sized by when the store was made. A StatefulSet's claims cannot be changed, no claim can
shrink, and few storage classes let one grow: a change of plan leaves storage as it is.
*/}}
{{- define "store.storagePlan" -}}
{{ index (.Files.Get "plans.yaml" | fromYaml) .Values.storagePlan | toYaml }}
{{- end }}

{{/* Public address in parts: scheme, host (with its port), hostname. */}}
{{- define "store.address" -}}
{{- $url := urlParse .Values.url -}}
scheme: {{ $url.scheme }}
host: {{ $url.host | quote }}
hostname: {{ $url.hostname | quote }}
{{- end }}

{{/* Labels of every object. No app.kubernetes.io/instance: under label tracking Argo CD takes it for its own. */}}
{{- define "store.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/part-of: shopyard
shopyard.dev/store: {{ .Values.store.id }}
shopyard.dev/tenant: {{ .Values.store.tenant | quote }}
{{- end }}
