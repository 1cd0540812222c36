"""Bearer tokens and whom they stand for. What they may do is for `access` to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Who sent a request."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ("system:authenticated",)


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
"""Whoever brings no token at all."""
ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))


def service_account(namespace: str, name: str, uid: str) -> User:
    """The user a pod's token stands for."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", uid, groups)


class Tokens:
    """Which token is whose, and until when (seconds of the caller's clock)."""

    def __init__(self, admin_token: str) -> None:
        self._known: dict[str, tuple[User, float]] = {admin_token: (ADMIN, float("inf"))}

    def issue(self, token: str, user: User, expires_at: float) -> None:
        """Make `token` valid for `user` until `expires_at`."""
        self._known[token] = (user, expires_at)

    def check(self, authorization: str | None, now: float) -> User | None:
        """The user behind an `Authorization` header's value (ANONYMOUS without one); None: unknown or expired."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user, expires_at = self._known.get(token.strip(), (None, 0.0))
        return user if scheme.lower() == "bearer" and now < expires_at else None
