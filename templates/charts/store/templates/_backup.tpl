{{/*
Backups by restic: CronJob `backup`, and CronJob `restore`, suspended, of which a Job is made by hand. Into the claim
`backups`, or to S3 with keys and password of the operator's own Secret, so that a lost namespace can be restored. By
`.Values.cluster.backup`.

A claim that only a CronJob mounts stays pending, so another pod has to mount it too, on the node where the backup runs.

  store.backup         takes root, image (its name), user (number), wave (of the claim: that of the other pod), database
                       (port), env (list: how to reach the database), folder (a claim kept beside the database, or left
                       out), beside (the component on whose node it runs, or left out), redis (true: emptied after a
                       restore).
  store.backup-volume, store.backup-mount   the claim in the other pod; nothing under S3. Take root.
*/}}
{{- define "store.backup" -}}
{{- $backup := .root.Values.cluster.backup }}
{{- $toVolume := eq $backup.target "volume" }}
{{- if $toVolume -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: backups
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: backup
  annotations:
    {{- include "store.claim" . | nindent 4 }}
    # A cluster that goes over to S3 keeps the backups it has.
    argocd.argoproj.io/sync-options: Prune=false
    argocd.argoproj.io/compare-options: IgnoreExtraneous
spec:
  accessModes: [ReadWriteOnce]
  volumeMode: Filesystem
  {{- with .root.Values.cluster.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ (include "store.storagePlan" .root | fromYaml).storage.backups }}
---
{{ end -}}
{{ include "store.backup-cronjob" (merge (dict "program" "backup" "schedule" $backup.schedule) .) }}
---
# kubectl create job --from=cronjob/restore restore-now
{{ include "store.backup-cronjob" (merge (dict "program" "restore" "schedule" "0 0 1 1 *") .) }}
---
{{- $s3 := list }}
{{- if not $toVolume }}
{{- $endpoint := urlParse $backup.s3.endpoint }}
{{- $s3 = list (splitList ":" $endpoint.host | rest | first | default (ternary 443 80 (eq $endpoint.scheme "https"))) }}
{{- end }}
{{ include "store.network-outward" (dict "root" .root "name" "backup" "components" (list "backup" "restore")
  "to" (list (dict "component" "database" "port" .database)) "anywhere" $s3) }}
{{- if .redis }}
---
{{ include "store.network-outward" (dict "root" .root "name" "restore" "components" (list "restore")
  "to" (list (dict "component" "redis" "port" 6379))) }}
{{- end }}
{{- end }}

{{- define "store.backup-cronjob" -}}
{{- $root := .root }}
{{- $backup := $root.Values.cluster.backup }}
{{- $toVolume := eq $backup.target "volume" }}
{{- $isRestore := eq .program "restore" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ .program }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "store.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .program }}
  annotations:
    argocd.argoproj.io/sync-wave: {{ include "store.lastWave" $root | quote }}
    # A run that failed is not a store that is down.
    argocd.argoproj.io/ignore-healthcheck: "true"
spec:
  schedule: {{ .schedule | quote }}
  suspend: {{ or $isRestore $root.Values.store.suspended | default false }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 1
  jobTemplate:
    metadata:
      labels:
        {{- include "store.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .program }}
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 3600
      template:
        metadata:
          labels:
            {{- include "store.labels" $root | nindent 12 }}
            app.kubernetes.io/component: {{ .program }}
        spec:
          serviceAccountName: jobs
          automountServiceAccountToken: false
          enableServiceLinks: false
          restartPolicy: Never
          securityContext:
            {{- include "store.pod-security" .user | nindent 12 }}
          {{- with .beside }}
          affinity:
            {{- include "store.beside" . | nindent 12 }}
          {{- end }}
          containers:
            - name: {{ .program }}
              image: {{ include "store.image" . }}
              imagePullPolicy: IfNotPresent
              command: [shopyard-{{ .program }}]
              env:
                - name: BACKUP_NAME
                  value: {{ $root.Release.Namespace }}
                - name: BACKUP_SECRETS
                  value: /run/secrets/shopyard/backup
                - name: RESTIC_REPOSITORY
                  {{- if $toVolume }}
                  value: /backups/restic
                  {{- else }}
                  value: s3:{{ $backup.s3.endpoint }}/{{ $backup.s3.bucket }}/{{ $root.Release.Namespace }}
                  {{- end }}
                {{- with .folder }}
                - name: BACKUP_FOLDER
                  value: /data/{{ . }}
                {{- end }}
                {{- if $isRestore }}
                - name: SNAPSHOT
                  value: latest
                {{- if .redis }}
                - name: REDIS_HOST
                  value: redis
                - name: REDIS_PASSWORD_FILE
                  value: /run/secrets/shopyard/internal/redis-password
                {{- end }}
                {{- else }}
                - name: BACKUP_KEEP_DAILY
                  value: {{ $backup.keepDaily | toString | quote }}
                - name: BACKUP_KEEP_WEEKLY
                  value: {{ $backup.keepWeekly | toString | quote }}
                {{- end }}
                {{- .env | toYaml | nindent 16 }}
              resources:
                {{- get $root.Values.jobs .program | toYaml | nindent 16 }}
              securityContext:
                {{- include "store.container-security" . | nindent 16 }}
              volumeMounts:
                - name: backup-secrets
                  mountPath: /run/secrets/shopyard/backup
                  readOnly: true
                - name: internal-secrets
                  mountPath: /run/secrets/shopyard/internal
                  readOnly: true
                {{- if $toVolume }}
                - name: backups
                  mountPath: /backups
                {{- end }}
                {{- with .folder }}
                - name: folder
                  mountPath: /data/{{ . }}
                  readOnly: {{ not $isRestore }}
                {{- end }}
                - name: tmp
                  mountPath: /tmp
          volumes:
            - name: backup-secrets
              secret:
                {{- if $toVolume }}
                secretName: store-internal
                items:
                  - key: backup-password
                    path: password
                {{- else }}
                secretName: {{ $backup.s3.secretName }}
                items:
                  - { key: password, path: password }
                  - { key: access-key-id, path: access-key-id }
                  - { key: secret-access-key, path: secret-access-key }
                {{- end }}
                defaultMode: 288 # 0440
            - name: internal-secrets
              secret:
                secretName: store-internal
                items:
                  - { key: database-password, path: database-password }
                  {{- if and $isRestore .redis }}
                  - { key: redis-password, path: redis-password }
                  {{- end }}
                defaultMode: 288 # 0440
            {{- if $toVolume }}
            - name: backups
              persistentVolumeClaim:
                claimName: backups
            {{- end }}
            {{- with .folder }}
            - name: folder
              persistentVolumeClaim:
                claimName: {{ . }}
            {{- end }}
            - name: tmp
              emptyDir:
                sizeLimit: 1Gi
{{- end }}

{{- define "store.backup-volume" -}}
{{- if eq .Values.cluster.backup.target "volume" -}}
- name: backups
  persistentVolumeClaim:
    claimName: backups
{{- end }}
{{- end }}

{{- define "store.backup-mount" -}}
{{- if eq .Values.cluster.backup.target "volume" -}}
- name: backups
  mountPath: /backups
  readOnly: true
{{- end }}
{{- end }}
