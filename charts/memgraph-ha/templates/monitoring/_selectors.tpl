{{/* root component -> the labels that a PodMonitor's series of these pods have */}}
{{- define "memgraph-ha.series" -}}
namespace="{{ (index . 0).Release.Namespace }}",pod=~"{{ include "memgraph-ha.name" (index . 0) }}-{{ index . 1 }}-[a-z0-9]+-[a-z0-9]+"
{{- end }}

{{/* root page anchor -> where the alert is explained */}}
{{- define "memgraph-ha.runbook" -}}
{{- $base := (index . 0).Values.monitoring.prometheusRule.runbookURL -}}
{{ if $base }}runbook_url: {{ trimSuffix "/" $base }}/alerts.md#{{ lower (index . 1) }}{{ else }}runbook: docs/alerts.md#{{ lower (index . 1) }}{{ end }}
{{- end }}
