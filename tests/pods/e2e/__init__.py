"""The whole product as its users meet it: installed with Helm, apps with sidecars, and everything that breaks.

The tests of this folder run against the cluster that KUBECONFIG names; what only the cluster of `pods` can do (pulling
cables, signals from outside of a container) is asked of `pods.faults.Faults`, and skipped elsewhere.
"""
