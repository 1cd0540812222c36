"""The structure as tests: one writer of the document, one spelling of its keys, empty package files."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("controller", "webhook", "sidecar", "sandbox", "memgraph_ha")
WRITES = ("create_namespaced_config_map", "replace_namespaced_config_map", "patch_namespaced_config_map")


def sources(*packages: str) -> list[Path]:
    """Every source file of these packages."""
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def test_one_function_writes_the_document() -> None:
    """P-W1: only StateStore.write encodes a document; the other ConfigMaps written are requests and re-seed orders.

    O-F2.
    """
    writers = set()
    encoders = set()
    for path in sources("controller", "webhook", "sidecar"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                place = f"{path.relative_to(ROOT)}:{function.name}"
                if isinstance(node, ast.Attribute) and node.attr in WRITES:
                    writers.add(place)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "encode":
                    encoders.add(place)
    assert encoders == {"controller/kube/state.py:write", "sidecar/contract/state.py:unreadable"}
    others = {"controller/kube/requests.py:answer", "controller/kube/reseed.py:write"}
    assert writers == {"controller/kube/state.py:write", *others}


def test_the_document_s_keys_are_spelled_once() -> None:
    """A second spelling is how updates get lost (O-F3)."""
    keys = ("masterIndex", "mainUID", "mainAddress", "syncReplica", "readAddresses", "cutKind")
    spelled = {
        str(path.relative_to(ROOT))
        for path in sources("controller", "webhook", "sidecar")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in keys
    }
    assert spelled <= {"sidecar/contract/state.py", "sidecar/pages.py"}, "only /state repeats them, as its own JSON"


def test_package_files_are_empty() -> None:
    """So that importing the contract loads the contract and nothing else."""
    files = [path for path in sources(*PACKAGES) if path.name == "__init__.py"]
    assert len(files) > 5
    assert [path for path in files if path.read_text().strip()] == []


def test_no_dependency_brings_a_package_of_our_names() -> None:
    """`controller` and `sidecar` are everyday words; two distributions of one name would shadow each other."""
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, [])) <= {"memgraph-ha"}
