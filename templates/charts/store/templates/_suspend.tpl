{{/*
A suspended store (`.Values.store.suspended`) runs no pods and keeps the rest: its volumes, Secrets, Services, policies and
its Ingress, behind which a visitor finds nobody (503). Its two Jobs are left out: resumed, they run again.

  store.replicas   how many pods of a Deployment or StatefulSet: none while suspended. Takes root, replicas.
  store.claim      annotations of a claim. Takes root, wave (of the pod that mounts it). Of a store that is suspended
                   before it ever ran, no pod binds the claim: it comes last, and nobody waits for it.
  store.lastWave   the last wave: 3. Takes root. While suspended it is the set-up Job's, 2. A delete goes through the
                   waves from the last to the first and waits in each: claims that came before the Job that ran would
                   wait for its ended pod, which holds them, for ever.
*/}}
{{- define "store.lastWave" -}}
{{ ternary "2" "3" (.Values.store.suspended | default false) }}
{{- end }}

{{- define "store.replicas" -}}
{{ ternary 0 .replicas (.root.Values.store.suspended | default false) }}
{{- end }}

{{- define "store.claim" -}}
{{- if .root.Values.store.suspended -}}
argocd.argoproj.io/sync-wave: {{ include "store.lastWave" .root | quote }}
argocd.argoproj.io/ignore-healthcheck: "true"
{{- else -}}
argocd.argoproj.io/sync-wave: {{ .wave | quote }}
{{- end }}
{{- end }}
