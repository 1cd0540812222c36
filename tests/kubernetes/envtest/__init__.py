"""A real Kubernetes API server (and etcd, controller-manager, scheduler) for tests, without containers or downloads of
binaries: built once from Go modules pinned here, started in seconds on free ports of the loopback.

    from envtest.control_plane import control_plane

    with control_plane(tmp_path) as cluster:
        print(cluster.kubeconfig)

`python -m envtest --help` does the same on the command line.
"""
