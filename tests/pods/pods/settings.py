"""The settings files of a node's three programs, as pure functions of its layout."""

from __future__ import annotations

from typing import Any

from pods.layout import CONTROL_PLANE, DOMAIN, PAUSE_IMAGE, PODS, NodeLayout

SOCKET = "/run/containerd/containerd.sock"
"""In the node's own /run."""


def containerd(node: NodeLayout, plugins: str) -> str:
    """Its TOML. `plugins` is the folder with the CNI plugins' programs."""
    folder = node.folder
    return f"""version = 2
root = "{folder}/containerd"
state = "/run/containerd"
# Written to /opt, or not there: nothing of this is used.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# Lowering it may not be permitted, and then no pod starts.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/cni"
"""


def cni(node: NodeLayout) -> dict[str, Any]:
    """Each pod has a cable to its node, which routes: with a bridge, services fail between pods of one node."""
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/run/cni",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(node: NodeLayout) -> dict[str, Any]:
    """Its KubeletConfiguration. Whoever reaches a node's port may do anything there: nobody is on this network."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        # From 1.35 on it has to be told.
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "resolvConf": "",
        "clusterDNS": [CONTROL_PLANE],
        "clusterDomain": DOMAIN,
        # The machine's disk is shared by all nodes, and its filling is no test of ours.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%",
                         "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": str(node.folder / "plugins"),
    }  # fmt: skip


def kube_proxy(node: NodeLayout) -> dict[str, Any]:
    """Its KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(node.folder / "kube-proxy.kubeconfig")},
        "hostnameOverride": node.name,
        "clusterCIDR": PODS,
        # The machine's own table of connections stays as it is.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def coredns(kubeconfig: str) -> str:
    """Names of services and of StatefulSets' pods; every other name is unknown at once."""
    return f"""{DOMAIN}:53 198.18.0.0/16:53 {{
    bind {CONTROL_PLANE}
    errors
    kubernetes {DOMAIN} 198.18.0.0/16 {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
.:53 {{
    bind {CONTROL_PLANE}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
