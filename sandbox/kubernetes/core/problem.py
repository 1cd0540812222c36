"""What the API server says when it refuses: one exception, written out as the `Status` object clients parse."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.core.resources import Resource


class Problem(Exception):
    """A refusal: HTTP `code`, Kubernetes' `reason` word and a sentence."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    def status(self) -> dict[str, Any]:
        """The `Status` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def not_found(resource: Resource, name: str) -> Problem:
    return _about(404, "NotFound", f'{resource.qualified} "{name}" not found', resource, name)


def already_exists(resource: Resource, name: str) -> Problem:
    return _about(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', resource, name)


def conflict(resource: Resource, name: str, because: str = "") -> Problem:
    because = because or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {because}'
    return _about(409, "Conflict", message, resource, name)


def invalid(resource: Resource, name: str, because: str) -> Problem:
    return _about(422, "Invalid", f'{resource.kind} "{name}" is invalid: {because}', resource, name)


def bad_request(message: str) -> Problem:
    return Problem(400, "BadRequest", message)


def unauthorized() -> Problem:
    return Problem(401, "Unauthorized", "Unauthorized")


def no_such_path() -> Problem:
    return Problem(404, "NotFound", "the server could not find the requested resource")


def not_allowed() -> Problem:
    return Problem(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(asked: int, oldest: int) -> Problem:
    """The history no longer reaches back to the version asked for (410)."""
    return Problem(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Problem:
    """The version asked for lies in the future: this server may have lost its memory (504, to be tried again)."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return Problem(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _about(code: int, reason: str, message: str, resource: Resource, name: str) -> Problem:
    return Problem(code, reason, message, {"name": name, "group": resource.group, "kind": resource.plural})
