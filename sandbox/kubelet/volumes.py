"""A pod's volumes as local folders.

ConfigMaps and Secrets are written once, when the pod starts (a real kubelet updates them within about a minute);
service account tokens are renewed at 80 % of their life, as in reality. A claim's folder lives as long as the sandbox.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.kube import Kube
from sandbox.kubelet.core.containers import ConfigError, Place, field_value, move_ports

Object = dict[str, Any]
_RENEW_AT: Final = 0.8
_TOKEN_S: Final = 3600


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A projected token: where it is, and how long it lives."""

    path: Path
    lifetime_s: int

    @property
    def renew_after_s(self) -> float:
        return self.lifetime_s * _RENEW_AT


class Volumes:
    """The volumes of one pod. `folder` is the pod's own, `claims` holds one folder a claim."""

    def __init__(self, kube: Kube, pod: Object, place: Place, folder: Path, claims: Path) -> None:
        self._kube = kube
        self._pod = pod
        self._place = place
        self._folder = folder
        self._claims = claims
        self._namespace = pod["metadata"]["namespace"]
        self.tokens: list[TokenFile] = []

    async def prepare(self) -> dict[str, Path]:
        """Make them all: volume name -> folder. Raises ConfigError, Refused or Unreachable; may be called again."""
        self.tokens.clear()
        folders: dict[str, Path] = {}
        for volume in self._pod["spec"].get("volumes") or ():
            folders[volume["name"]] = await self._one(volume)
        return folders

    async def renew(self, token: TokenFile) -> None:
        """Write a fresh token; a reader sees the old one or the new one, never half of one."""
        account = self._pod["spec"].get("serviceAccountName", "default")
        text = await self._kube.token(self._namespace, account, token.lifetime_s)
        fresh = token.path.with_name(f".{token.path.name}.new")
        _write(fresh, text.encode(), 0o600)
        fresh.replace(token.path)

    async def _one(self, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume:
            return await self._claim(volume["persistentVolumeClaim"]["claimName"])
        folder = _made(self._folder / "volumes" / volume["name"])
        if "emptyDir" in volume:
            return folder
        if "projected" in volume:
            for source in volume["projected"]["sources"]:
                await self._source(folder, source)
            return folder
        if "configMap" in volume:
            await self._source(folder, {"configMap": volume["configMap"]})
            return folder
        if "secret" in volume:
            secret = volume["secret"]
            await self._source(folder, {"secret": secret | {"name": secret["secretName"]}})
            return folder
        if "downwardAPI" in volume:
            await self._source(folder, {"downwardAPI": volume["downwardAPI"]})
            return folder
        kinds = ", ".join(key for key in volume if key != "name")
        raise ConfigError(f"volume {volume['name']!r} is of a kind the sandbox doesn't know: {kinds}")

    async def _claim(self, name: str) -> Path:
        claim = await self._kube.find("persistentvolumeclaims", self._namespace, name)
        if claim is None:
            raise ConfigError(f'persistentvolumeclaim "{name}" not found')
        folder = _made(self._claims / str(claim["metadata"]["uid"]))
        if claim.get("status", {}).get("phase") != "Bound":
            await self._kube.patch(
                "persistentvolumeclaims", self._namespace, name, {"status": {"phase": "Bound"}}, "status"
            )
        return folder

    async def _source(self, folder: Path, source: Object) -> None:
        match source:
            case {"serviceAccountToken": wanted}:
                token = TokenFile(folder / wanted["path"], int(wanted.get("expirationSeconds") or _TOKEN_S))
                await self.renew(token)
                self.tokens.append(token)
            case {"configMap": wanted}:
                await self._keys(
                    folder, "configmaps", wanted, lambda text: move_ports(text, self._place).encode(), 0o644
                )
            case {"secret": wanted}:
                await self._keys(folder, "secrets", wanted, base64.b64decode, 0o600)
            case {"downwardAPI": wanted}:
                for item in wanted.get("items") or ():
                    value = field_value(self._pod, item["fieldRef"]["fieldPath"], self._place)
                    _write(folder / item["path"], value.encode(), 0o644)
            case _:
                raise ConfigError(f"projected source {', '.join(source)} is not known to the sandbox")

    async def _keys(self, folder: Path, plural: str, wanted: Object, decode: Callable[[str], bytes], mode: int) -> None:
        obj = await self._kube.find(plural, self._namespace, wanted["name"])
        if obj is None:
            if wanted.get("optional"):
                return
            raise ConfigError(f'{plural.removesuffix("s")} "{wanted["name"]}" not found')
        data = obj.get("data") or {}
        items = wanted.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            if item["key"] not in data:
                raise ConfigError(f"{plural} {wanted['name']!r} has no key {item['key']!r}")
            _write(folder / item["path"], decode(data[item["key"]]), mode)


def mounts(container: Object, folders: dict[str, Path]) -> dict[str, Path]:
    """mountPath -> local folder (or file, with a subPath) for one container."""
    found: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or ():
        if mount["name"] not in folders:
            raise ConfigError(f"there is no volume {mount['name']!r}")
        below = re.sub(r"^/+", "", mount.get("subPath", ""))
        found[mount["mountPath"]] = folders[mount["name"]] / below if below else folders[mount["name"]]
    return found


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.write_bytes(content)
