"""The settings' table: what the webhook renders the sidecar reads, and every bad value is named at once."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import fields

import pytest

from sidecar.contract import env, logs, names

GOOD = {**env.render("memgraph-ha", "memgraph-ha-state"), env.API_HOST: "10.96.0.1", env.API_PORT: "443"}


def test_what_is_rendered_is_read() -> None:
    settings = env.parse(GOOD)
    assert (settings.namespace, settings.config_map) == ("memgraph-ha", "memgraph-ha-state")
    assert settings.token_dir == names.TOKEN_MOUNT_PATH
    assert (settings.port, settings.read_port, settings.admin_port) == (7687, 7688, 17687)
    assert settings.listen == ("127.0.0.1", "::1")


def test_the_defaults_of_parse_are_those_of_the_class() -> None:
    minimal = {env.NAMESPACE: "n", env.CONFIG_MAP: "c", env.API_HOST: "h"}
    assert env.parse(minimal) == env.Settings("n", "c", "h", 443)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        (env.LISTEN, " 127.0.5.1 , ::1,", "listen", ("127.0.5.1", "::1")),
        (env.PORT, "0", "port", 0),
        (env.READ_PORT, "65535", "read_port", 65535),
        (env.ADMIN_ADDRESS, "127.0.5.1", "admin_address", ("127.0.5.1",)),
        (env.HOLD, "0", "hold_s", 0.0),
        (env.COMMIT_GRACE, "1.5", "commit_grace_s", 1.5),
        (env.CUT_MODE, "immediate", "cut_mode", env.CutMode.IMMEDIATE),
        (env.ON_STALE, " Cut ", "on_stale", env.OnStale.CUT),
        (env.STALE, "5", "stale_s", 5.0),
        (env.READ_FALLBACK, "main", "read_fallback", env.ReadFallback.MAIN),
        (env.REWRITE, "off", "rewrite", env.Rewrite.OFF),
        (env.MAX_CONNECTIONS, "7", "max_connections", 7),
        (env.LOG_LEVEL, "debug", "log_level", "DEBUG"),
        (env.TOKEN_DIR, "/elsewhere", "token_dir", "/elsewhere"),
    ],
)
def test_each_setting_reaches_its_field(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(env.parse(GOOD | {name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (env.NAMESPACE, " "),
        (env.CONFIG_MAP, ""),
        (env.API_HOST, ""),
        (env.API_PORT, "tcp://10.0.0.1:443"),
        (env.PORT, "65536"),
        (env.PORT, "-1"),
        (env.READ_PORT, "\u0664"),
        (env.ADMIN_PORT, ""),
        (env.HOLD, "29"),
        (env.HOLD, "nan"),
        (env.HOLD, "soon"),
        (env.COMMIT_GRACE, "-1"),
        (env.LISTEN, ","),
        (env.ADMIN_ADDRESS, ""),
        (env.CUT_MODE, "kill"),
        (env.ON_STALE, ""),
        (env.STALE, "4"),
        (env.READ_FALLBACK, "yes"),
        (env.REWRITE, "true"),
        (env.MAX_CONNECTIONS, "0"),
        (env.LOG_LEVEL, "LOUD"),
    ],
)
def test_each_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(env.BadSettings) as caught:
        env.parse(GOOD | {name: value})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(name)


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(env.BadSettings) as caught:
        env.parse({env.PORT: "x", env.HOLD: "x", env.LISTEN: "", env.LOG_LEVEL: "x"})
    named = {problem.split(" ")[0] for problem in caught.value.problems}
    assert named == {env.NAMESPACE, env.CONFIG_MAP, env.API_HOST, env.PORT, env.HOLD, env.LISTEN, env.LOG_LEVEL}


def test_every_field_can_be_set() -> None:
    variables = [value for key, value in vars(env).items() if key.isupper() and isinstance(value, str)]
    assert len(variables) == len(fields(env.Settings))


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines("sidecar"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logs.emit(logger, "RouteChanged", new_epoch=2, main="10.0.0.1:7687")
    logger.warning("of a %s", "library")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["program"], first["event"], first["new_epoch"], first["level"]) == (
        "sidecar",
        "RouteChanged",
        2,
        "info",
    )
    assert (second["event"], second["message"]) == ("Library", "of a library")
