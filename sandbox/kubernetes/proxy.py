"""`pods/NAME:PORT/proxy/...`: a GET is sent on to that port of the pod. Unlike the real server: JSON objects only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import JSONResponse, Response

from sandbox.http import Http, Unreachable
from sandbox.kubernetes.core import problem
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Target
from sandbox.kubernetes.core.store import Store

_PATH: Final = re.compile(r"^/api/v1/namespaces/([^/]+)/pods/([^/:]+):(\d+)/proxy(/.*)$")
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a request wants to go. `target` is what RBAC is asked about."""

    target: Target
    port: int
    path: str


def parse(url_path: str) -> Passage | None:
    """None if this is no such path."""
    found = _PATH.match(url_path)
    if found is None:
        return None
    namespace, name, port, path = found.groups()
    return Passage(Target(BY_PLURAL["pods"], namespace, f"{name}:{port}", "proxy"), int(port), path)


async def send_on(passage: Passage, method: str, store: Store) -> Response:
    """The pod's own answer. Raises Problem."""
    if method != "GET":
        raise problem.not_allowed()
    target = passage.target
    pod = store.get(target.resource, target.namespace, target.name.partition(":")[0])
    address = pod.get("status", {}).get("podIP")
    if not address:
        raise problem.bad_request("the pod has no address yet")
    host = f"[{address}]" if ":" in address else address
    try:
        async with Http() as http:
            answer = await http.ask("GET", f"http://{host}:{passage.port}{passage.path}", timeout_s=_TIMEOUT_S)
    except Unreachable as error:
        raise Problem(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error
    return JSONResponse(answer.body, answer.code)
