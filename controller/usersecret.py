"""The Secret with the users, followed while it changes; and the logins the controller itself tries (P-U)."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from controller.core.logins import Accounts, Login, read_secret
from controller.core.model import UsersWanted
from controller.secretfolder import read_folder
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 2.0  # kubelet itself takes up to a minute or two
_REMEMBERED: Final = 3  # own passwords of before; whoever changes it more often than pods restart has other troubles


class UserSecret:
    """`folder` None: users are nobody's business here, and `fallback` alone is what the controller logs in with."""

    def __init__(self, folder: Path | None, own_name: str, fallback: Login | None) -> None:
        self._folder = folder
        self._own_name = own_name
        self._fallback = fallback
        self._accounts = Accounts((), (), ())
        self._before: list[Login] = []
        # With a key of this process: a version in a log tells nobody which passwords it would be worth trying.
        self._key = secrets.token_bytes(32)
        self._unreadable = False
        self.wanted: UsersWanted | None = None

    def logins(self) -> tuple[Login, ...]:
        """What to log in with: the newest first."""
        fallback = (self._fallback,) if self._fallback else ()
        return tuple(dict.fromkeys((*self._accounts.of(self._own_name), *self._before, *fallback)))

    def login(self, version: str, name: str) -> Login | None:
        """The user with its password, if this is still the version."""
        if self.wanted is None or self.wanted.version != version:
            return None
        return next((login for login in self._accounts.logins if login.name == name), None)

    def look(self) -> bool:
        """Read the folder; whether anything changed. What cannot be read changes nothing."""
        if self._folder is None:
            return False
        try:
            accounts = read_secret(read_folder(self._folder))
        except OSError as error:
            if not self._unreadable:
                logs.emit(LOG, "UsersUnreadable", logging.WARNING, message=str(error))
            self._unreadable = True
            return False
        self._unreadable = False
        if accounts == self._accounts:
            return False
        own = self._accounts.of(self._own_name)[:1]
        self._before = [*own, *(login for login in self._before if login not in own)][:_REMEMBERED]
        self._accounts = accounts
        self.wanted = self._version_of(accounts)
        for problem in accounts.problems:
            logs.emit(LOG, "UserLeftOut", logging.WARNING, message=problem)
        if not accounts.of(self._own_name):
            message = f"the Secret has no user {self._own_name!r} for the controller itself"
            logs.emit(LOG, "UserLeftOut", logging.WARNING, message=message)
        logs.emit(LOG, "UsersChanged", users=[login.name for login in accounts.logins])
        return True

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look again and again until cancelled."""
        while True:
            if self.look():
                changed()
            await anyio.sleep(_LOOK_EVERY_S)

    def _version_of(self, accounts: Accounts) -> UsersWanted | None:
        if not accounts.logins:
            return None
        text = repr([(login.name, login.password) for login in accounts.logins])
        version = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:12]
        return UsersWanted(version, tuple(login.name for login in accounts.logins))
