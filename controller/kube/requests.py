"""The requests' ConfigMap: people write its keys, the controller takes them and answers in annotations."""

from __future__ import annotations

from typing import Final

from kubernetes.aio import client

from controller.core.actions import AnswerRequest
from controller.core.requests import answer_text, first, read_answer
from controller.kube.client import CALL_TIMEOUT_S, meta, writing
from controller.kube.config_maps import config_map
from controller.ports import Asked, Conflict
from sidecar.contract import names

_NOTHING: Final = Asked()


class RequestStore:
    """Implements ports.RequestStore."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._name = name

    async def read(self) -> Asked:
        """What is asked, and whether there is a pause. Without the ConfigMap: nothing. Raises Unavailable."""
        stored = await config_map(self._core, self._namespace, self._name)
        if stored is None:
            return _NOTHING
        notes = meta(stored).annotations or {}
        answer = read_answer(notes.get(names.ANSWER_ANNOTATION, ""))
        return Asked(first(stored.data or {}), notes.get(names.PAUSED_ANNOTATION), answer)

    async def answer(self, action: AnswerRequest) -> None:
        """Take the key away, store the answer and the pause. Raises Conflict if the value changed, LostAnswer,
        Unavailable."""
        answer = action.answer
        stored = await config_map(self._core, self._namespace, self._name)
        data = dict(stored.data or {}) if stored is not None else {}
        if stored is None or data.pop(answer.request, None) != answer.value:
            raise Conflict(f"the request {answer.request} changed meanwhile")
        notes = dict(meta(stored).annotations or {})
        notes[names.ANSWER_ANNOTATION] = answer_text(answer)
        if action.paused is None:
            notes.pop(names.PAUSED_ANNOTATION, None)
        else:
            notes[names.PAUSED_ANNOTATION] = action.paused
        stored.data, meta(stored).annotations = data, notes
        async with writing("answering the request"):
            await self._core.replace_namespaced_config_map(
                self._name, self._namespace, stored, _request_timeout=CALL_TIMEOUT_S
            )
