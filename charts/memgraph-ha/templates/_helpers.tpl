{{/* Every object's name begins with the release's. Pod names end up in labels of at most 63 characters. */}}
{{- define "memgraph-ha.name" -}}
{{- if gt (len .Release.Name) 40 -}}
{{- fail (printf "release name %q is longer than 40 characters: Kubernetes could not name its pods; choose a shorter one" .Release.Name) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) -}}
{{- fail (printf "release name %q can't name a Service; begin with a letter, and use letters, digits and - only" .Release.Name) -}}
{{- end -}}
{{- .Release.Name -}}
{{- end }}

{{/* list root component -> labels that select the component's pods */}}
{{- define "memgraph-ha.selector" -}}
app.kubernetes.io/name: memgraph-ha
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
memgraph-ha.io/component: {{ index . 1 }}
{{- end }}

{{/* The Memgraph pods' StatefulSet, its Service, and labels that its pods alone have: ours, or an existing one's. */}}
{{- define "memgraph-ha.statefulSet" -}}
{{ .Values.memgraph.existing.statefulSet | default (include "memgraph-ha.name" .) }}
{{- end }}
{{- define "memgraph-ha.service" -}}
{{ .Values.memgraph.existing.service | default (printf "%s-nodes" (include "memgraph-ha.name" .)) }}
{{- end }}
{{- define "memgraph-ha.memgraphSelector" -}}
{{- if .Values.memgraph.existing.podLabels -}}
{{ toYaml .Values.memgraph.existing.podLabels }}
{{- else -}}
{{ include "memgraph-ha.selector" (list . "memgraph") }}
{{- end -}}
{{- end }}

{{/* What holds the CA of Memgraph's certificate, as a volume's source; nothing without TLS. */}}
{{- define "memgraph-ha.ca" -}}
{{- $tls := .Values.tls -}}
{{- if $tls.caConfigMap -}}
configMap: {name: {{ $tls.caConfigMap }}, items: [{key: ca.crt, path: ca.crt}]}
{{- else if or $tls.caSecret $tls.existingSecret -}}
secret: {secretName: {{ $tls.caSecret | default $tls.existingSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end -}}
{{- end }}

{{/* list root component -> labels of an object */}}
{{- define "memgraph-ha.labels" -}}
app.kubernetes.io/name: memgraph-ha
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- with (index . 0).Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* list root imageValues -> reference */}}
{{- define "memgraph-ha.image" -}}
{{- $image := index . 1 -}}
{{- with (index . 0).Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The container part of the restricted Pod Security Standard. */}}
{{- define "memgraph-ha.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* list root component componentValues -> what all pods of ours have in common */}}
{{- define "memgraph-ha.podBasics" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "memgraph-ha.name" $root }}-{{ index . 1 }}
# A Service called memgraph-ha-webhook would put MEMGRAPH_HA_WEBHOOK_PORT=tcp://... into our own settings.
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "memgraph-ha.selector" (list $root $component) | fromYaml)) }}
  - {{- toYaml (merge (deepCopy .) $own) | nindent 4 }}
  {{- end }}
{{- end }}
{{- if $values.affinity }}
affinity: {{- toYaml $values.affinity | nindent 2 }}
{{- else }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "memgraph-ha.selector" (list $root (index . 1)) | nindent 14 }}
{{- end }}
{{- end }}
