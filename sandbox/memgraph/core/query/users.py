"""Users: none means that anybody may come in."""

from __future__ import annotations

import hashlib
import hmac

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher.ast import UserChange
from sandbox.memgraph.core.effects import FreshId, Steps
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Role
from sandbox.memgraph.core.storage.durability import UsersRecord


def _hash(salt: str, password: str) -> str:
    return salt + ":" + hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()


def accepts(instance: Instance, name: str, password: str) -> bool:
    """Whether a login is right."""
    if not instance.users:
        return True
    stored = instance.users.get(name, ":")
    return hmac.compare_digest(stored, _hash(stored.partition(":")[0], password))


def change(instance: Instance, statement: UserChange) -> Steps[None]:
    """CREATE USER, SET PASSWORD, DROP USER. Users aren't replicated, and a replica refuses."""
    if instance.role is not Role.MAIN:
        raise QueryError(errors.USERS_ON_REPLICA)
    name, exists = statement.name, statement.name in instance.users
    if statement.action == "create" and exists:
        raise errors.user_exists(name)
    if statement.action == "create-if-missing" and exists:
        return
    if statement.action in ("password", "drop") and not exists:
        raise errors.no_such_user(name, drop=statement.action == "drop")
    if statement.action == "drop":
        del instance.users[name]
    else:
        salt = yield FreshId()
        instance.users[name] = _hash(salt, statement.password)
    instance.outbox.append(UsersRecord(dict(instance.users)))
