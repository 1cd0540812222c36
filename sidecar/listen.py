"""Sockets to listen on, and the errors of taking them.

An IPv6 address that can't be bound is a warning (many clusters have no IPv6, and `localhost` is often both); an IPv4
one is an error that names the variable.
"""

from __future__ import annotations

import logging
import resource
import socket
from contextlib import ExitStack
from typing import Final

from sidecar.contract import env
from sidecar.contract.logs import emit

BACKLOG: Final = 1024
"""After a cut whole pools (100 connections each) come back at once."""

logger = logging.getLogger(__name__)


def bind(addresses: tuple[str, ...], port: int, variable: str) -> list[socket.socket]:
    """One listening socket per address that works. `variable` is the setting that holds `port`; port 0 takes any.

    Raises BadSettings if an IPv4 address, or every address, can't be bound.
    """
    bound: list[socket.socket] = []
    problems: list[str] = []
    with ExitStack() as stack:
        for address in addresses:
            try:
                one = stack.enter_context(_bind(address, bound[0].getsockname()[1] if bound else port))
            except (OSError, OverflowError) as error:
                problem = _explain(address, port, variable, error)
                if ":" not in address:
                    raise env.BadSettings((problem,)) from None
                problems.append(problem)
            else:
                bound.append(one)
        if not bound:
            raise env.BadSettings(tuple(problems))
        stack.pop_all()
    for problem in problems:
        emit(logger, "ListenSkipped", logging.WARNING, message=problem)
    return bound


def is_own(host: str) -> bool:
    """Whether `host` is an address of this pod: only those can be bound to."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((host, 0))
    except OSError:
        return False
    return True


def allow_files(count: int) -> None:
    """Raise the soft limit of open files to `count` if it is lower, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < count:
        message = (
            f"at most {hard} files may be open, {count} are needed: lower {env.MAX_CONNECTIONS} or raise the limit"
        )
        emit(logger, "FewFiles", logging.WARNING, message=message)


def _bind(address: str, port: int) -> socket.socket:
    v6 = ":" in address
    one = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address, port))
        one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _explain(address: str, port: int, variable: str, error: Exception) -> str:
    why = getattr(error, "strerror", None) or str(error)
    return (
        f"{variable}: cannot listen on {address} port {port}: {why}; free that port or address, "
        f"or set {variable} (the addresses are in {env.LISTEN}, the admin one in {env.ADMIN_ADDRESS})"
    )
