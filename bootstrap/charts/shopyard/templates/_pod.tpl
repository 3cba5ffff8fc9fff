{{/*
The pod of one role. Takes root, role, resources.

Ready is what /readyz says; a process is killed only when it does not answer at all, so a database or forge that is away
takes pods out of service and restarts none. Who is asked by others goes on answering for some seconds after it was told
to stop, until every proxy knows; the stop itself lets requests end (1.5 s) and drops the lease.
*/}}
{{- define "shopyard.pod" -}}
{{- $role := .role }}
{{- $root := .root }}
{{- $looks := has $role (list "api" "observer") }}
{{- $works := has $role (list "api" "writer" "observer") }}
metadata:
  labels:
    {{- include "shopyard.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $role }}
  annotations:
    # What is read at the start only: another content, other pods.
    checksum/settings: {{ include "shopyard.settings" . | sha256sum }}
    {{- if $works }}
    checksum/clusters: {{ $root.Values.clusters | toYaml | sha256sum }}
    {{- end }}
spec:
  # The read rights on stores are this account's (each store's own Role names it); the others have no account's.
  serviceAccountName: {{ $looks | ternary "shopyard-observer" "shopyard" }}
  automountServiceAccountToken: {{ and $looks (eq (include "shopyard.looksHere" $root) "true") }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if ne $role "forge" }}
  topologySpreadConstraints:
    {{- range (list "kubernetes.io/hostname" "topology.kubernetes.io/zone") }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "shopyard.selector" $role | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $role }}
      image: {{ include "shopyard.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [--role, {{ $role }}]
      envFrom:
        - configMapRef:
            name: shopyard-{{ $role }}
      {{- with include "shopyard.secrets" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 8080
          protocol: TCP
        {{- if eq $role "forge" }}
        - name: git
          containerPort: 8081
          protocol: TCP
        {{- end }}
      # It listens once all is started: the first start migrates the database, two minutes at most.
      startupProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
        # Each of its checks gets two seconds, all at once.
        timeoutSeconds: 4
        failureThreshold: 2
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- if has $role (list "api" "portal" "forge") }}
      lifecycle:
        preStop:
          sleep:
            seconds: 5
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: data
          mountPath: /var/lib/shopyard
        - name: tmp
          mountPath: /tmp
        {{- if $works }}
        - name: clusters
          mountPath: /etc/shopyard
          readOnly: true
        {{- end }}
  volumes:
    {{- if ne $role "forge" }}
    - name: data
      emptyDir:
        sizeLimit: {{ $root.Values.scratch }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 1Gi
    {{- if $works }}
    # One folder of both, since paths in the list are relative to it. Files that change are read anew.
    - name: clusters
      projected:
        defaultMode: 288 # 0440
        sources:
          - configMap:
              name: shopyard-clusters
          {{- with $root.Values.secretFiles }}
          - secret:
              name: {{ . }}
          {{- end }}
    {{- end }}
{{- end }}
