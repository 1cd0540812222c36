"""Values that the chart refuses, each with a part of what the person is told."""

from __future__ import annotations

from typing import Any, Final

Values = dict[str, Any]

BY_SCHEMA: Final[list[tuple[Values, str]]] = [
    ({"image": {}}, "additional properties 'image'"),
    ({"images": {"registry": "https://registry.example"}}, "/images/registry': 'https://registry.example'"),
    ({"images": {"memgraph": {"digest": "sha256:abc"}}}, "/images/memgraph/digest': 'sha256:abc'"),
    ({"images": {"sidecar": {"repository": ""}}}, "/images/sidecar/repository': minLength"),
    ({"imagePullSecrets": ["mine"]}, "/imagePullSecrets/0': got string, want object"),
    ({"extraLabels": {"team": 1}}, "/extraLabels/team': got number, want string"),
    ({"cluster": {"default": "yes"}}, "/cluster/default': got string, want boolean"),
    ({"cluster": {"name": "-a"}}, "/cluster/name': '-a'"),
    ({"memgraph": {"replicas": 1}}, "/memgraph/replicas': minimum: got 1, want 2"),
    ({"memgraph": {"replicas": "3"}}, "/memgraph/replicas': got string, want integer"),
    ({"memgraph": {"replcas": 3}}, "additional properties 'replcas'"),
    ({"memgraph": {"walFlushEveryTransactions": 0}}, "/memgraph/walFlushEveryTransactions': minimum: got 0, want 1"),
    ({"memgraph": {"storage": {"size": "lots"}}}, "/memgraph/storage/size': 'lots'"),
    ({"memgraph": {"extraArgs": ["memory-limit=1"]}}, "/memgraph/extraArgs/0': 'memory-limit=1'"),
    ({"memgraph": {"terminationGracePeriodSeconds": 5}}, "/memgraph/terminationGracePeriodSeconds': minimum"),
    ({"memgraph": {"preStopSleepSeconds": 600}}, "/memgraph/preStopSleepSeconds': maximum: got 600, want 60"),
    ({"memgraph": {"readinessGate": "no"}}, "/memgraph/readinessGate': got string, want boolean"),
    ({"memgraph": {"podLabels": {"a": True}}}, "/memgraph/podLabels/a': got boolean, want string"),
    ({"memgraph": {"podAnnotations": ["a"]}}, "/memgraph/podAnnotations': got array, want object"),
    ({"memgraph": {"raiseMaxMapCount": 262144}}, "/memgraph/raiseMaxMapCount': got number, want boolean"),
    ({"memgraph": {"tolerations": {"key": "a"}}}, "/memgraph/tolerations': got object, want array"),
    ({"memgraph": {"existing": {"statefulset": "x"}}}, "additional properties 'statefulset'"),
    ({"tls": {"existingSecret": "Not A Name"}}, "/tls/existingSecret': 'Not A Name'"),
    ({"users": {"existingSecret": "Not A Name"}}, "/users/existingSecret': 'Not A Name'"),
    ({"users": {"controllerUser": "ops.previous"}}, "/users/controllerUser': 'ops.previous'"),
    ({"users": {"secret": "x"}}, "additional properties 'secret'"),
    ({"controller": {"registerBy": "name"}}, "value must be one of 'dns', 'ip'"),
    ({"controller": {"onNoSyncReplica": "ignore"}}, "value must be one of 'serve', 'block'"),
    ({"controller": {"lease": {"duration": 0}}}, "/controller/lease/duration': exclusiveMinimum"),
    ({"controller": {"probeInterval": "500ms"}}, "/controller/probeInterval': got string, want number"),
    ({"controller": {"replica": 2}}, "additional properties 'replica'"),
    ({"sidecar": {"cutOnChange": "no"}}, "/sidecar/cutOnChange': got string, want boolean"),
    ({"webhook": {"port": 443}}, "/webhook/port': minimum"),
    ({"webhook": {"logLevel": "verbose"}}, "value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ({"webhook": {"failurePolicy": "Sometimes"}}, "value must be one of 'Ignore', 'Fail'"),
    ({"webhook": {"strict": "yes"}}, "/webhook/strict': got string, want boolean"),
    ({"webhook": {"annotations": {"a": 1}}}, "/webhook/annotations/a': got number, want string"),
    ({"webhook": {"sidecarPullSecrets": [{"name": "x"}]}}, "/webhook/sidecarPullSecrets/0': got object, want string"),
    ({"webhook": {"certManager": {"enable": True}}}, "additional properties 'enable'"),
    ({"webhook": {"topologySpreadConstraints": [{"maxSkew": 1}]}}, "missing properties 'topologyKey'"),
    ({"rbac": {"clientAccess": "everybody"}}, "value must be one of 'perNamespace', 'allServiceAccounts', 'none'"),
    ({"rbac": {"operatorRole": "yes"}}, "/rbac/operatorRole': got string, want boolean"),
    ({"rbac": {"viewerRole": "yes"}}, "/rbac/viewerRole': got string, want boolean"),
    ({"networkPolicy": {"apiServerPorts": []}}, "/networkPolicy/apiServerPorts': minItems"),
    ({"monitoring": {"podMonitor": {"interval": "often"}}}, "/monitoring/podMonitor/interval': 'often'"),
]
"""What one value alone can get wrong: the place, and what was wanted there."""

BY_SENTENCE: Final[list[tuple[Values, str]]] = [
    (
        {"controller": {"lease": {"duration": 2}}},
        "controller.lease has retryPeriod 0.5, renewDeadline 3 and duration 2: each has to be smaller than the next",
    ),
    ({"extraLabels": {"memgraph-ha.io/component": "x"}}, "extraLabels has memgraph-ha.io/component: "),
    ({"webhook": {"podLabels": {"helm.sh/chart": "x"}}}, "webhook.podLabels has helm.sh/chart: "),
    (
        {"extraLabels": {"team": "a"}, "memgraph": {"podLabels": {"team": "b"}}},
        "memgraph.podLabels and extraLabels both have team: set it in one of them",
    ),
    ({"memgraph": {"extraArgs": ["--init-file=/mine"]}}, "memgraph.extraArgs has --init-file=/mine: failover depends"),
    ({"memgraph": {"extraArgs": ["--replication_restore_state_on_startup=true"]}}, "failover depends on this flag"),
    ({"memgraph": {"extraArgs": ["--noreplication-restore-state-on-startup"]}}, "failover depends on this flag"),
    ({"memgraph": {"extraArgs": ["--log-level=TRACE"]}}, "memgraph.extraArgs has --log-level=TRACE: "),
    ({"memgraph": {"extraArgs": ["--bolt-cert-file=/c"]}}, "memgraph.extraArgs has --bolt-cert-file=/c: "),
    (
        {"memgraph": {"existing": {"statefulSet": "mine"}}},
        "without memgraph.existing.service: name its headless Service",
    ),
    ({"memgraph": {"existing": {"service": "mine"}}}, "without a statefulSet: name it, or leave all of them empty"),
    (
        {"memgraph": {"existing": {"statefulSet": "mine", "service": "s"}}, "networkPolicy": {"enabled": True}},
        "networkPolicy.enabled with the StatefulSet mine needs memgraph.existing.podLabels",
    ),
    ({"tls": {"existingSecret": "t", "caSecret": "a", "caConfigMap": "b"}}, "both name a CA: set one of them"),
    ({"tls": {"serverName": "graph.example"}}, "tls.serverName alone turns nothing on"),
    ({"tls": {"caSecret": "a"}}, "Memgraph would have no certificate"),
    (
        {"webhook": {"failurePolicy": "Fail", "replicas": 1}},
        "webhook.failurePolicy is Fail with webhook.replicas 1: while that pod restarts, no pod could start",
    ),
    (
        {"users": {"existingSecret": "graph-users"}, "memgraph": {"logLevel": "TRACE"}},
        "memgraph.logLevel DEBUG and TRACE make Memgraph log statements with passwords in them",
    ),
]
"""What several values get wrong together, or a schema could refuse only with its pattern."""
