{{/*
The secret Job, wave -2: makes store-admin, store-api and store-internal, each only if it is not there. Takes root, image
(its name), user (number), command. Its resources: `.Values.jobs.secrets`.
*/}}
{{- define "store.secrets-job" -}}
{{- if not .root.Values.store.suspended -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: secrets
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: secrets
  annotations:
    {{- include "store.hook" "-2" | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 150
  template:
    metadata:
      labels:
        {{- include "store.labels" .root | nindent 8 }}
        app.kubernetes.io/component: secrets
    spec:
      serviceAccountName: secrets
      # The only pod of the store that talks to the API server.
      automountServiceAccountToken: true
      enableServiceLinks: false
      restartPolicy: Never
      securityContext:
        {{- include "store.pod-security" .user | nindent 8 }}
      containers:
        - name: secrets
          image: {{ include "store.image" . }}
          imagePullPolicy: IfNotPresent
          command: [{{ join ", " .command }}]
          env:
            - name: SHOPYARD_NAMESPACE
              value: {{ .root.Release.Namespace }}
            - name: SHOPYARD_STORE_ID
              value: {{ .root.Values.store.id }}
            - name: SHOPYARD_HOST
              value: {{ (include "store.address" .root | fromYaml).hostname | quote }}
          resources:
            {{- .root.Values.jobs.secrets | toYaml | nindent 12 }}
          securityContext:
            {{- include "store.container-security" . | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 16Mi
{{- end }}
{{- end }}
