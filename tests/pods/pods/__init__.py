"""A Kubernetes of several nodes with real pods, on one Linux machine, for tests: etcd, API server, controller-manager,
scheduler, DNS, and for each node containerd, kubelet and kube-proxy, all in namespaces of their own without a way out.

Whatever ends it, the kernel ends every process, mount and network of it; folders and control groups are swept after.

`python -m pods --help` starts one, runs the tests of tests/pods/e2e in it, or a shell.
"""
