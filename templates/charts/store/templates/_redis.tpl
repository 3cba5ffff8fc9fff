{{/*
Redis, wave 0: StatefulSet and Service `redis`, port 6379, with the password of the Secret store-internal. Takes root,
resources, maxmemory (Redis' own unit, such as 64mb), storage (a volume's size). Without storage it is a cache: it
forgets the least used when full, and everything when its pod goes.
*/}}
{{- define "store.redis" -}}
apiVersion: v1
kind: Service
metadata:
  name: redis
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: redis
  annotations:
    argocd.argoproj.io/sync-wave: "0"
spec:
  selector:
    app.kubernetes.io/component: redis
  ports:
    - name: redis
      port: 6379
      targetPort: redis
      protocol: TCP
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: redis
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: redis
  annotations:
    argocd.argoproj.io/sync-wave: "0"
spec:
  serviceName: redis
  replicas: {{ include "store.replicas" (dict "root" .root "replicas" 1) }}
  # With one pod it is only this: a pod that never became ready gives way to a mended one.
  podManagementPolicy: Parallel
  {{- if .storage }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ .root.Values.claims.whenDeleted }}
    # Suspended, it is scaled to nothing.
    whenScaled: Retain
  {{- end }}
  selector:
    matchLabels:
      app.kubernetes.io/component: redis
  template:
    metadata:
      labels:
        {{- include "store.labels" .root | nindent 8 }}
        app.kubernetes.io/component: redis
    spec:
      serviceAccountName: redis
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      securityContext:
        {{- include "store.pod-security" 999 | nindent 8 }}
      containers:
        - name: redis
          image: {{ include "store.image" (dict "root" .root "image" "redis") }}
          imagePullPolicy: IfNotPresent
          command: [shopyard-redis]
          args:
            - --maxmemory
            - {{ .maxmemory }}
            {{- if not .storage }}
            - --maxmemory-policy
            - allkeys-lru
            - --appendonly
            - "no"
            - --save
            - ""
            {{- end }}
          env:
            - name: REDIS_PASSWORD_FILE
              value: /run/secrets/shopyard/internal/redis-password
          ports:
            - name: redis
              containerPort: 6379
              protocol: TCP
          # Five minutes to read its log back; it answers PONG when it has.
          startupProbe:
            exec:
              command: &ping [sh, -c, 'REDISCLI_AUTH=$(cat "$REDIS_PASSWORD_FILE") redis-cli ping | grep -q PONG']
            periodSeconds: 1
            timeoutSeconds: 5
            failureThreshold: 300
          readinessProbe:
            exec:
              command: *ping
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          livenessProbe:
            tcpSocket:
              port: redis
            periodSeconds: 20
            timeoutSeconds: 5
            failureThreshold: 6
          resources:
            {{- .resources | toYaml | nindent 12 }}
          securityContext:
            {{- include "store.container-security" . | nindent 12 }}
          volumeMounts:
            - name: data
              mountPath: /data
            - name: internal-secrets
              mountPath: /run/secrets/shopyard/internal
              readOnly: true
      volumes:
        - name: internal-secrets
          secret:
            secretName: store-internal
            defaultMode: 288 # 0440
            items:
              - key: redis-password
                path: redis-password
        {{- if not .storage }}
        - name: data
          emptyDir:
            sizeLimit: 64Mi
        {{- end }}
  {{- if .storage }}
  # No labels: this part of a StatefulSet can never be changed.
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        volumeMode: Filesystem
        {{- with .root.Values.cluster.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .storage }}
  {{- end }}
{{- end }}
