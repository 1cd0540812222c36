"""`memgraph-ha switchover | promote | reseed | pause | resume`: write a request, wait for the controller's answer."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from dataclasses import asdict
from typing import Any, Final

import anyio

from controller.core.requests import RequestAnswer, Unreadable, parse, promotion, read_answer
from memgraph_ha.kube import Conflict, Found, Problem, RequestsMap, connect
from sidecar.contract import names

_POLL_S: Final = 0.2  # a person does not notice, an API server neither
_TIMEOUT_S: Final = 30.0  # a switchover to another replica first makes that one the partner
_ACCEPTED, _REFUSED, _CANNOT, _NO_ANSWER = 0, 1, 2, 3

_HELP: Final = {
    "switchover": "move the main to another instance; no write is lost",
    "promote": "make an instance the main although it may lack writes: for when no other way is left",
    "reseed": "give a replica its data anew from the main",
    "pause": "let the controller only observe: no failover until it is resumed",
    "resume": "end a pause",
}
_EPILOG: Final = """\
It writes a key of the ConfigMap RELEASE-requests with your own rights (get, create, update) and waits for the answer.
exit codes: 0 accepted, 1 refused, 2 wrong use or no way to the API server, 3 no answer (a request is taken back)"""


def main(argv: list[str]) -> int:
    """Run one command; `argv` begins with its word. Returns the exit code."""
    try:
        arguments = _parser().parse_args(argv)
        key, value = arguments.key, _value(arguments)
        wanted = parse(key, value).wanted
        if isinstance(wanted, Unreadable):
            arguments.parser.error(wanted.why)
    except SystemExit as error:  # argparse has printed why
        return int(error.code or 0)
    return anyio.run(_run, arguments, key, value)


class NoAnswer(Exception):
    """Nobody answered, as a sentence that says where to look."""


async def _run(arguments: argparse.Namespace, key: str, value: str) -> int:
    as_json = arguments.output == "json"
    asked: dict[str, Any] = {"request": key, "value": value}
    try:
        async with connect(arguments.kubeconfig, arguments.context) as (api, default):
            namespace = arguments.namespace or default
            answer = await ask(RequestsMap(api, namespace, arguments.release), key, value, arguments.timeout)
    except (Problem, NoAnswer) as problem:
        code = _CANNOT if isinstance(problem, Problem) else _NO_ANSWER
        return _say(str(problem), code, {**asked, "accepted": None, "message": str(problem)} if as_json else None)
    code = _ACCEPTED if answer.accepted else _REFUSED
    return _say(answer.message, code, asdict(answer) if as_json else None)


async def ask(requests: RequestsMap, key: str, value: str, timeout: float) -> RequestAnswer:
    """Write the request and wait for its answer. Raises Problem and NoAnswer.

    Without an answer in time it is taken back: it would be carried out whenever a controller comes up again.
    """
    deadline = anyio.current_time() + timeout
    earlier = await _write(requests, key, value)
    while anyio.current_time() < deadline:
        await anyio.sleep(_POLL_S)
        try:
            found = await requests.read()
        except Problem as problem:
            raise Problem(f"{problem}; the request was written and may still be carried out") from problem
        answer = _answer_to(found, earlier, key, value)
        if answer is not None:
            return answer
        if found is None or found.data.get(key) != value:
            raise NoAnswer(_somebody_else(requests))
    answer = await _take_back(requests, earlier, key, value)
    if answer is None:
        raise NoAnswer(_nobody(requests, timeout))
    return answer


async def _write(requests: RequestsMap, key: str, value: str) -> str:
    """Returns the answer that was there before, which is to somebody else's request."""
    while True:
        found = await requests.read()
        try:
            await requests.write(found, {**(found.data if found else {}), key: value})
        except Conflict:
            continue  # somebody wrote in between: the next look sees it
        return found.answer if found else ""


async def _take_back(requests: RequestsMap, earlier: str, key: str, value: str) -> RequestAnswer | None:
    while True:
        found = await requests.read()
        answer = _answer_to(found, earlier, key, value)
        if answer is not None or found is None or found.data.get(key) != value:
            return answer
        try:
            await requests.write(found, {name: text for name, text in found.data.items() if name != key})
        except Conflict:
            continue  # perhaps it was answered just now
        return None


def _answer_to(found: Found | None, earlier: str, key: str, value: str) -> RequestAnswer | None:
    if found is None or found.answer == earlier:
        return None
    answer = read_answer(found.answer)
    return answer if answer and (answer.request, answer.value) == (key, value) else None


def _somebody_else(requests: RequestsMap) -> str:
    return (
        "the request is gone without its answer: somebody took it away, or was answered after it. Events tell:\n"
        f"  kubectl -n {requests.namespace} get events"
    )


def _nobody(requests: RequestsMap, timeout: float) -> str:
    namespace, release = requests.namespace, requests.release
    labels = f"app.kubernetes.io/component=controller,app.kubernetes.io/instance={release}"
    return (
        f"no answer within {timeout:g} s; the request was taken back. Is a controller running, and does one lead?\n"
        f"  kubectl -n {namespace} get pods -l {labels}\n"
        f"  kubectl -n {namespace} get lease {names.lease(release)}"
    )


def _say(message: str, code: int, structured: dict[str, Any] | None) -> int:
    if structured is not None:
        print(json.dumps(structured))
    else:
        print(message, file=sys.stdout if code == _ACCEPTED else sys.stderr)
    return code


def _value(arguments: argparse.Namespace) -> str:
    match arguments.key:
        case "switchover":
            return "any" if arguments.to is None else str(arguments.to)
        case "promote":
            if not arguments.accept_data_loss:
                arguments.parser.error(
                    f"instance {arguments.ordinal} becomes the main although it may lack acknowledged writes: "
                    "if that is what you want, add --accept-data-loss"
                )
            return promotion(arguments.ordinal)
        case "reseed":
            return str(arguments.ordinal)
        case "pause":
            return f"{_user()}: {arguments.why}" if arguments.why else _user()
    return _user()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"  # a container's user has no name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("memgraph-ha", epilog=_EPILOG, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for key, text in _HELP.items():
        command = commands.add_parser(
            key, help=text, description=text, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(key=key, parser=command)
        if key == "switchover":
            command.add_argument(
                "--to", type=_ordinal, metavar="N", help="the instance that becomes main (default: any)"
            )
        if key in ("promote", "reseed"):
            command.add_argument("ordinal", type=_ordinal, metavar="N", help="the instance: 1 is RELEASE-1")
        if key == "promote":
            command.add_argument(
                "--accept-data-loss", action="store_true", help="say that writes this instance lacks may be lost"
            )
        if key == "pause":
            command.add_argument("--why", default="", help="for the people who will wonder")
        _add_where(command)
    return parser


def _add_where(command: argparse.ArgumentParser) -> None:
    command.add_argument("-n", "--namespace", help="the release's namespace (default: the kubeconfig context's)")
    command.add_argument("--release", default="memgraph-ha", help="the Helm release's name (default: memgraph-ha)")
    command.add_argument("--context", help="the kubeconfig's context (default: its current one)")
    command.add_argument("--kubeconfig", help="a kubeconfig file (default: as kubectl finds it)")
    command.add_argument("-o", "--output", choices=["text", "json"], default="text", help="(default: text)")
    command.add_argument(
        "--timeout", type=_seconds, default=_TIMEOUT_S, metavar="S", help=f"seconds to wait (default: {_TIMEOUT_S:g})"
    )


def _ordinal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is no instance: write an ordinal such as 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r}: write seconds, more than 0 and at most 3600")
    return value
