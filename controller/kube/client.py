"""The connection to the API server, and the translation of its errors into ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import anyio
import anyio.lowlevel
from kubernetes.aio import client, config, watch
from kubernetes.aio.config import ConfigException

from controller.ports import Conflict, LostAnswer, Unavailable
from sidecar.contract.env import BadSettings


def meta(thing: client.V1Pod | client.V1ConfigMap | client.V1PersistentVolumeClaim) -> client.V1ObjectMeta:
    """The metadata, which the API server never leaves out."""
    assert thing.metadata is not None, "an object of the API server has metadata"
    return thing.metadata


def version_of(listed: client.V1PodList | client.V1ConfigMapList) -> str:
    """The resourceVersion a watch continues from."""
    return (listed.metadata.resource_version if listed.metadata else None) or ""


CALL_TIMEOUT_S: Final = 1.5  # P-W3: half the default renew deadline


class Unanswered(aiohttp.ClientError):
    """A write's connection ended before its answer."""


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again by itself when its connection ends without an answer.

    The first one may have been carried out: then the second one's 409 is no conflict, and its "connection refused" does
    not mean that nothing was written (P-W1).
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # it was never sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET":
            raise
        raise Unanswered(str(error) or type(error).__name__) from error


@asynccontextmanager
async def connect(kubeconfig: str) -> AsyncIterator[client.ApiClient]:
    """A client by this kubeconfig file, or by the pod's service account when it is empty. Raises BadSettings."""
    configuration = client.Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        where = f"KUBECONFIG={kubeconfig}" if kubeconfig else "the pod's service account (KUBECONFIG is not set)"
        raise BadSettings((f"no way to the API server by {where}: {error}",)) from error
    # The Kubernetes client retries failed calls by itself; our compare-and-swaps must not be sent twice.
    configuration.retries = None
    configuration.client_session_kwargs = {"middlewares": (_send_once,)}
    try:
        async with client.ApiClient(configuration) as api:
            yield api
    finally:
        with anyio.CancelScope(shield=True):
            # Closed transports say good-bye in the loop's next turn; without one, their sockets outlive the loop.
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def watching() -> AsyncIterator[watch.Watch]:
    """A watch whose connection is closed whatever ends it. Its own `close` gives up half-way when it is cancelled."""
    stream = watch.Watch()
    try:
        yield stream
    finally:
        with anyio.CancelScope(shield=True):
            connection = stream.resp.connection if stream.resp is not None else None
            if connection is not None and connection.transport is not None:
                # Closing a stream that has not ended only begins TLS' good-bye, which nobody waits for.
                connection.transport.abort()
            await stream.close()


@asynccontextmanager
async def reading(what: str) -> AsyncIterator[None]:
    """Errors of a read: Unavailable. A 404 is for the caller."""
    try:
        yield
    except client.ApiException as error:
        if error.status == 404:
            raise
        raise Unavailable(f"{what}: {error.status} {error.reason}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"{what}: {error or type(error).__name__}") from error


@asynccontextmanager
async def writing(what: str) -> AsyncIterator[None]:
    """Errors of a write: Conflict, LostAnswer (it may have happened), Unavailable (it did not)."""
    try:
        yield
    except client.ApiException as error:
        if error.status in (404, 409):
            raise Conflict(f"{what}: {error.status} {error.reason}") from error
        if error.status is None or error.status >= 500:
            raise LostAnswer(f"{what}: {error.status} {error.reason}") from error
        raise Unavailable(f"{what}: {error.status} {error.reason}") from error
    except aiohttp.ClientConnectorError as error:
        raise Unavailable(f"{what}: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise LostAnswer(f"{what}: {error or type(error).__name__}") from error
