{{/*
The store's one Ingress, in the last wave. Takes root, routes (list of path, service; the Services' ports are named `http`).
Last: nobody reaches a store that is not set up, and an Ingress without an address holds up nothing.
*/}}
{{- define "store.ingress" -}}
{{- $address := include "store.address" .root | fromYaml }}
{{- $tlsSecret := .root.Values.cluster.tlsSecret -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "store.labels" .root | nindent 4 }}
    app.kubernetes.io/component: web
  annotations:
    argocd.argoproj.io/sync-wave: {{ include "store.lastWave" .root | quote }}
    {{- with .root.Values.cluster.ingressAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  ingressClassName: {{ .root.Values.cluster.ingressClass }}
  rules:
    - host: {{ $address.hostname | quote }}
      http:
        paths:
          {{- range .routes }}
          - path: {{ .path }}
            pathType: Prefix
            backend:
              service:
                name: {{ .service }}
                port:
                  name: http
          {{- end }}
  {{- if eq $address.scheme "https" }}
  tls:
    - hosts: [{{ $address.hostname | quote }}]
      {{- /* null: a certificate of the host's own; empty: the ingress controller's own. */}}
      {{- if kindIs "invalid" $tlsSecret }}
      secretName: web-tls
      {{- else if $tlsSecret }}
      secretName: {{ $tlsSecret }}
      {{- end }}
  {{- end }}
{{- end }}
