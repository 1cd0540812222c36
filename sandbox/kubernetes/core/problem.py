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
        self.details = details

    def status(self) -> dict[str, Any]:
        """The `Status` object."""
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message}
        details = {} if self.details is None else {"details": self.details}
        return {**head, "reason": self.reason, **details, "code": self.code}


def not_found(resource: Resource, name: str) -> Problem:
    return _about(404, "NotFound", f'{resource.qualified} "{name}" not found', resource, name)


def already_exists(resource: Resource, name: str) -> Problem:
    return _about(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', resource, name)


def conflict(resource: Resource, name: str, because: str = "") -> Problem:
    because = because or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {because}'
    return _about(409, "Conflict", message, resource, name)


def precondition(resource: Resource, name: str, what: str, wanted: str, held: str) -> Problem:
    """A deletion meant another incarnation (`what` is UID) or another state of it (ResourceVersion)."""
    happened = "deleted and then recreated" if what == "UID" else "modified"
    message = (
        f'Operation cannot be fulfilled on {resource.kind} "{name}": the {what} in the precondition ({wanted}) does '
        f"not match the {what} in record ({held}). The object might have been {happened}"
    )
    return Problem(409, "Conflict", message, {"name": name, "kind": resource.kind})


def version_missing(resource: Resource, name: str) -> Problem:
    """An update of a resource that is never overwritten blindly."""
    because = 'metadata.resourceVersion: Invalid value: "": must be specified for an update'
    return _about(422, "Invalid", f'{resource.qualified} "{name}" is invalid: {because}', resource, name)


def invalid(resource: Resource, name: str, field: str, because: str) -> Problem:
    """One field of a new object can't be."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return unprocessable(kind, name, field, because)


def unprocessable(kind: str, name: str, field: str, because: str) -> Problem:
    """Like `invalid`, for what is no resource; `kind` with its group."""
    word, _, group = kind.partition(".")
    reason = "FieldValueRequired" if because.startswith("Required") else "FieldValueInvalid"
    named = {"name": name} if name else {}
    details: dict[str, Any] = {**named, **({"group": group} if group else {}), "kind": word}
    details["causes"] = [{"reason": reason, "message": because, "field": field}]
    return Problem(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {because}', details)


def bad_request(message: str) -> Problem:
    return Problem(400, "BadRequest", message)


def rejected() -> Problem:
    """A patch that can't be applied."""
    return Problem(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unauthorized() -> Problem:
    return Problem(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, who: str, verb: str, namespace: str | None, name: str, subresource: str) -> Problem:
    """No role allows it. Whether the object is there is not said."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    what = f"{resource.plural}/{subresource}" if subresource else resource.plural
    where = "at the cluster scope" if namespace is None else f'in the namespace "{namespace}"'
    message = (
        f'{subject} is forbidden: User "{who}" cannot {verb} resource "{what}" in API group "{resource.group}" {where}'
    )
    return _about(403, "Forbidden", message, resource, name)


def no_such_path() -> Problem:
    return Problem(404, "NotFound", "the server could not find the requested resource", {})


def not_allowed() -> Problem:
    return Problem(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def expired(asked: int, oldest: int) -> Problem:
    """The history no longer reaches back to the version asked for (410)."""
    return Problem(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> Problem:
    """The version asked for lies in the future: this server may have lost its memory (504, to be tried again)."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return Problem(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _about(code: int, reason: str, message: str, resource: Resource, name: str) -> Problem:
    named = {"name": name} if name else {}
    grouped = {"group": resource.group} if resource.group else {}
    return Problem(code, reason, message, {**named, **grouped, "kind": resource.plural})
