"""The kubelet renews projected tokens: a sidecar that lives longer than its first one goes on with the next."""

from __future__ import annotations

import pytest

from e2e import short_token
from e2e.forms import long
from e2e.scene import APPS_S, Scene
from e2e.waiting import until
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1800)
_EPOCH = names.METRIC_PREFIX + "sidecar_epoch"
_HEARD = names.METRIC_PREFIX + "sidecar_last_contact_timestamp_seconds"


@long
def test_a_sidecar_goes_on_when_its_first_token_has_ended(scene: Scene, first_token: dict[str, int]) -> None:
    assert first_token["exp"] - first_token["iat"] == short_token.LIFETIME_S

    def renewed() -> str:
        return "" if short_token.claims(scene)["iat"] > first_token["iat"] else "it is the first one"

    until(renewed, short_token.LIFETIME_S, "the sidecar has another token")

    def heard() -> str:
        after = scene.sidecar(short_token.pod(scene))[_HEARD] - first_token["exp"]
        return "" if after > 60 else f"heard of {after:.0f} s after it"

    # The API server accepts no token after its end, and a minute later no question asked before is under way.
    until(heard, 2 * short_token.LIFETIME_S, "the API server is heard of after the first token's end")
    before = scene.calm()
    scene.installation.ask("switchover")

    def follows() -> str:
        epoch = scene.installation.document().epoch
        acted = scene.sidecar(short_token.pod(scene))[_EPOCH]
        return "" if acted == epoch > before.epoch else f"epoch {epoch} is published, it acts on {acted:.0f}"

    until(follows, APPS_S, "its sidecar follows the next main")
