{{/* Names: RELEASE-singletrack, and with a component behind it; never longer than 63 characters. */}}
{{- define "singletrack.name" -}}
{{- $base := .Values.nameOverride | default (contains "singletrack" .Release.Name | ternary .Release.Name (printf "%s-singletrack" .Release.Name)) -}}
{{- $base | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Of a component: include "singletrack.component" (list . "api") */}}
{{- define "singletrack.component" -}}
{{- printf "%s-%s" (include "singletrack.name" (index . 0)) (index . 1) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "singletrack.selector" -}}
app.kubernetes.io/name: singletrack
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "singletrack.labels" -}}
{{- $root := index . 0 -}}
{{ include "singletrack.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image by its name: include "singletrack.image" (list . "singletrack-api"), with a tag of its own behind it */}}
{{- define "singletrack.image" -}}
{{- $root := index . 0 -}}
{{- $tags := concat (slice . 2) (list $root.Values.image.tag $root.Chart.AppVersion) | compact -}}
{{- printf "%s%s:%s" $root.Values.image.registry (index . 1) (first $tags) -}}
{{- end -}}

{{- define "singletrack.container" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{- define "singletrack.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the pods of a component may be, and who gives way: include "singletrack.placement" (list . .Values.api "api").
A spread counts the component's own pods unless it says which. */}}
{{- define "singletrack.placement" -}}
{{- $own := index . 1 -}}
{{- with $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
{{- $selector := dict "matchLabels" (include "singletrack.selector" (list (index $ 0) (index $ 2)) | fromYaml) }}
  - {{- hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $selector) .) | toYaml | nindent 4 }}
{{- end }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* A pool of workers by its name, with what it leaves out: include "singletrack.pool" (list . "big") | fromYaml */}}
{{- define "singletrack.pool" -}}
{{- $workers := (index . 0).Values.workers -}}
{{- $pool := deepCopy $workers.default -}}
{{- include "singletrack.overlay" (list $pool (index $workers (index . 1))) -}}
{{ toYaml $pool }}
{{- end -}}

{{/* Puts the second over the first, level by level. `merge` would take 0, "" and [] for nothing said. */}}
{{- define "singletrack.overlay" -}}
{{- $under := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $under $key)) -}}
{{- include "singletrack.overlay" (list (get $under $key) $value) -}}
{{- else -}}
{{- $_ := set $under $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How many runs a pod of this pool should have at most, before there is another one. An autoscaler divides the
runs by it, and so keeps runs / slots at the target without asking how many slots there are. */}}
{{- define "singletrack.runsOfAPod" -}}
{{- mulf .autoscaling.target .concurrency 0.01 | toString | quote -}}
{{- end -}}

{{/* The queues whose runs a pool has to execute, as labels of the metrics: include "singletrack.countedQueues"
$pool | fromYamlArray. One that no worker has been there for yet is counted as `other`. */}}
{{- define "singletrack.countedQueues" -}}
{{- append .queues "other" | toYaml -}}
{{- end -}}

{{/* How many runs need a slot of a pool, in PromQL: include "singletrack.runsThatNeedASlot" (list $ $pool). One
that waits for its lock needs none: no worker may start it. */}}
{{- define "singletrack.runsThatNeedASlot" -}}
{{- $root := index . 0 -}}
{{- $pods := include "singletrack.component" (list $root "operator") -}}
{{- $queues := list -}}
{{- range include "singletrack.countedQueues" (index . 1) | fromYamlArray -}}
{{- $queues = append $queues (regexQuoteMeta . | replace "\\" "\\\\") -}}
{{- end -}}
sum(max by (queue, state) (singletrack_runs{namespace="{{ $root.Release.Namespace }}",pod=~"{{ $pods }}-.+",queue=~"{{ join "|" $queues }}",state=~"READY|CLAIMED|RUNNING"}))
{{- end -}}

{{/* The environment that all components share, and what the values add; each name once, because a
server-side apply refuses the same name twice: include "singletrack.env" (list . .Values.api.env (dict …) "api"),
the last being the role whose Redis user it has, "" for the administrator. */}}
{{- define "singletrack.env" -}}
{{- $root := index . 0 -}}
{{- $plain := dict
  "SINGLETRACK_DEFAULT_QUEUE" $root.Values.broker.defaultQueue
  "SINGLETRACK_DURABILITY" $root.Values.settings.durability
  "SINGLETRACK_LEASE_SECONDS" ($root.Values.settings.leaseSeconds | toString)
  "SINGLETRACK_LOG_FORMAT" $root.Values.settings.logs.format
  "SINGLETRACK_LOG_LEVEL" $root.Values.settings.logs.level
  "SINGLETRACK_SECRETS" "/etc/singletrack/secrets" -}}
{{- if eq $root.Values.rbac.scope "namespaces" -}}
{{- $scope := include "singletrack.scope" $root | fromYamlArray -}}
{{- $plain = merge $plain (dict "SINGLETRACK_SCOPE" (join "," $scope) "SINGLETRACK_NAMESPACE" (first $scope)) -}}
{{- end -}}
{{- range $more := list (index . 2) $root.Values.settings.env (index . 1) -}}
{{- $plain = merge (deepCopy $more) $plain -}}
{{- end -}}
{{- if $root.Values.valkey.enabled -}}
{{- $host := include "singletrack.component" (list $root "valkey") -}}
{{- $named := and $root.Values.valkey.users (ne (index . 3) "") -}}
{{- $user := ternary (printf "singletrack-%s@" (index . 3)) "" $named -}}
{{- $plain = merge $plain (dict "REDIS_URL" (printf "redis://%s%s:6379/0" $user $host)) -}}
{{- end -}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What is secret comes as files, named like the variables they stand for; the environment is shown by too many:
include "singletrack.secrets" (list . "api"), with the role whose Redis user it is. */}}
{{- define "singletrack.secrets" -}}
{{- $root := index . 0 -}}
{{- $redis := $root.Values.redis -}}
name: singletrack-secrets
projected:
  defaultMode: 0440
  sources:
    - secret:
        {{- if $root.Values.valkey.enabled }}
        name: {{ $root.Values.valkey.existingSecret }}
        items: [{key: {{ $root.Values.valkey.users | ternary (index . 1) "" | default "password" }}, path: REDIS_PASSWORD}]
        {{- else }}
        name: {{ $redis.existingSecret }}
        items: [{key: {{ get $redis.keys (index . 1) | default $redis.key }}, path: REDIS_URL}]
        {{- end }}
    {{- with $root.Values.broker.existingSecret }}
    - secret:
        name: {{ . }}
        items: [{key: {{ $root.Values.broker.key }}, path: SINGLETRACK_BROKER_URL}]
    {{- end }}
{{- end -}}

{{- define "singletrack.secretsMount" -}}
{name: singletrack-secrets, mountPath: /etc/singletrack/secrets, readOnly: true}
{{- end -}}

{{/* Where TaskRuns are served, as a list; one empty name for the whole cluster. */}}
{{- define "singletrack.scope" -}}
{{- if eq .Values.rbac.scope "namespaces" -}}
{{ .Values.rbac.namespaces | default (list .Release.Namespace) | uniq | toYaml }}
{{- else -}}
- ""
{{- end -}}
{{- end -}}

{{/* Grants rights of files/rbac.yaml to the account of a component, in one namespace or, if that is empty, in all:
include "singletrack.grant" (list . "operator" "operator-workers" .Release.Namespace) */}}
{{- define "singletrack.grant" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $place := index . 3 -}}
{{- $name := include "singletrack.component" (list $root (index . 2)) -}}
{{- if ne $place $root.Release.Namespace -}}
{{- $name = printf "%s-%s" $root.Release.Namespace $name | trunc 63 | trimSuffix "-" -}}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ empty $place | ternary "ClusterRole" "Role" }}
metadata:
  name: {{ $name }}
  {{- with $place }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "singletrack.labels" (list $root $component) | nindent 4 }}
rules: {{- include "singletrack.rules" (list $root (index . 2)) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ empty $place | ternary "ClusterRoleBinding" "RoleBinding" }}
metadata:
  name: {{ $name }}
  {{- with $place }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "singletrack.labels" (list $root $component) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ empty $place | ternary "ClusterRole" "Role" }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "singletrack.component" (list $root $component) }}
    namespace: {{ $root.Release.Namespace }}
{{- end -}}

{{/* The rights that the tests use a component under: include "singletrack.rules" (list . "operator") */}}
{{- define "singletrack.rules" -}}
{{- $wanted := printf "singletrack-%s" (index . 1) -}}
{{- range $text := splitList "\n---\n" ((index . 0).Files.Get "files/rbac.yaml") -}}
{{- $object := fromYaml $text -}}
{{- if and (eq $object.kind "ClusterRole") (eq $object.metadata.name $wanted) -}}
{{ toYaml $object.rules }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The rules of a group, with the addresses that metrics.prometheusRule has for them, and with what it says of
alerts: include "singletrack.rulesOfGroup" (list .Values.metrics.prometheusRule $group.rules) | fromYamlArray */}}
{{- define "singletrack.rulesOfGroup" -}}
{{- $own := index . 0 -}}
{{- $kept := list -}}
{{- range $rule := index . 1 -}}
{{- $changes := get $own.alerts ($rule.alert | default "") | default dict -}}
{{- if $rule.alert -}}
{{- $notes := $rule.annotations -}}
{{- $_ := set $notes "runbook_url" (printf "%s/%s" (trimSuffix "/" $own.runbooks) (base $notes.runbook_url)) -}}
{{- if $own.grafana -}}
{{- $_ := set $notes "dashboard_url" (printf "%s/d/%s" (trimSuffix "/" $own.grafana) (splitn "/d/" 2 $notes.dashboard_url)._1) -}}
{{- else -}}
{{- $_ := unset $notes "dashboard_url" -}}
{{- end -}}
{{- with $changes.severity -}}{{- $_ := set $rule.labels "severity" . -}}{{- end -}}
{{- with $changes.expr -}}{{- $_ := set $rule "expr" . -}}{{- end -}}
{{- with $changes.for -}}{{- $_ := set $rule "for" . -}}{{- end -}}
{{- end -}}
{{- if ne (toString $changes.enabled) "false" -}}{{- $kept = append $kept $rule -}}{{- end -}}
{{- end -}}
{{ toYaml $kept }}
{{- end -}}
