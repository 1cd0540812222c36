"""Where the tests get their instances from."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from conformance_servers import Cluster, Process, Server, register_all, settles
from conformance_settings import Settings


class Lab:
    """Starts instances, many at a time; ends them all when it is left."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._instances: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for instance in self._instances:
            instance.close()

    def instances(self, count: int, *flags: str) -> list[Process]:
        """Fresh instances, each a main."""
        started = []
        for _ in range(count):
            instance = Process(self._settings, self._directory / f"m{len(self._instances)}", flags)
            self._instances.append(instance)
            instance.launch()
            started.append(instance)
        for instance in started:
            instance.ready()
        return started

    def cluster(self, *modes: str, flags: tuple[str, ...] = ()) -> Cluster[Process]:
        """A main with one replica for each mode, everything fresh."""
        main, *replicas = self.instances(1 + len(modes), *flags)
        register_all(main, replicas, modes)
        return Cluster(main, replicas)


class BoltLab:
    """Instances that run somewhere. The first one is always the main: whoever is promoted begins a history of its own.

    Each test begins and ends with all of them empty and in step.
    """

    def __init__(self, settings: Settings) -> None:
        self._servers = [Server(uri, replication) for uri, replication in settings.instances]

    def __enter__(self) -> Self:
        for server in self._servers:
            server.connect()
            found = server.count()
            assert not found, f"{server.uri} holds {found} nodes: the suite deletes everything, give it empty instances"
        self._clean()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._clean()
        finally:
            for server in self._servers:
                server.disconnect()

    def _clean(self) -> None:
        main, *others = self._servers
        assert main.role() == "main", f"{main.uri}, the first of MEMGRAPH_URIS, has to be a main"
        for name in main.replicas():
            main.drop(name)
        register_all(main, others, ("SYNC",) * len(others))
        main.query("MATCH (n) DETACH DELETE n")
        for kind, label, properties, _ in main.query("SHOW INDEX INFO"):
            names = [properties] if isinstance(properties, str) else properties or []
            edge = "EDGE " if kind.startswith("edge") else ""
            main.query(f"DROP {edge}INDEX ON :{label}" + (f"({', '.join(names)})" if names else ""))
        for kind, label, properties, data_type in main.query("SHOW CONSTRAINT INFO"):
            names = ", ".join(f"n.{name}" for name in ([properties] if isinstance(properties, str) else properties))
            what = {"unique": f"{names} IS UNIQUE", "exists": f"EXISTS ({names})"}.get(
                kind, f"{names} IS TYPED {data_type}"
            )
            main.query(f"DROP CONSTRAINT ON (n:{label}) ASSERT {what}")
        settles(lambda: {(seen.behind, seen.status) for seen in main.replicas().values()}, {(0, "ready")})
        for name in main.replicas():
            main.drop(name)

    def instances(self, count: int) -> list[Server]:
        """Running instances; the first is a main, and the others are replicas of it."""
        return self._servers[:count]

    def cluster(self, *modes: str) -> Cluster[Server]:
        """The main with one replica for each mode."""
        main, *replicas = self._servers[: 1 + len(modes)]
        register_all(main, replicas, modes)
        return Cluster(main, replicas, fresh=False)
