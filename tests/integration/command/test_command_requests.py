"""`memgraph-ha switchover` and its like against the sandbox's API server; the test itself is the controller."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import pytest
from api_server import api_server
from kubernetes.aio import client

from controller.core.actions import AnswerRequest
from controller.core.requests import Request, RequestAnswer
from controller.kube.client import connect
from controller.kube.requests import RequestStore
from memgraph_ha.cli import main

pytestmark = pytest.mark.anyio
NAMESPACE, NAME = "db", "r-requests"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with api_server(tmp_path_factory.mktemp("kubernetes")) as path:
        yield path


@dataclass
class Desk:
    """One release's requests: the person on one side, the controller on the other."""

    kubeconfig: Path
    core: client.CoreV1Api
    store: RequestStore

    async def type(self, *words: str, timeout: float = 20.0) -> int:
        """The command; its exit code."""
        where = ["--kubeconfig", str(self.kubeconfig), "-n", NAMESPACE, "--release", "r", "--timeout", str(timeout)]
        return await anyio.to_thread.run_sync(main, [*words, *where])

    async def request(self) -> Request:
        """Wait for what was typed."""
        with anyio.fail_after(20):
            while True:
                request = (await self.store.read()).request
                if request is not None:
                    return request
                await anyio.sleep(0.02)

    async def answer(self, accepted: bool, message: str) -> RequestAnswer:
        """Wait for a request and answer it."""
        request, at = await self.request(), f"at {anyio.current_time()}"
        answer = RequestAnswer(request.key, request.value, accepted, "Word", message, at, "c-0")
        await self.store.answer(AnswerRequest(answer))
        return answer

    async def typed(self, *words: str, accepted: bool = True, message: str = "well") -> tuple[int, RequestAnswer]:
        """The command, answered: its exit code, and the answer."""
        codes: list[int] = []

        async def type_it() -> None:
            codes.append(await self.type(*words))

        async with anyio.create_task_group() as group:
            group.start_soon(type_it)
            answer = await self.answer(accepted, message)
        return codes[0], answer

    async def data(self) -> dict[str, str]:
        """What is in the ConfigMap."""
        return (await self.core.read_namespaced_config_map(NAME, NAMESPACE)).data or {}


@pytest.fixture
async def desk(kubeconfig: Path) -> AsyncIterator[Desk]:
    async with connect(str(kubeconfig)) as api:
        core = client.CoreV1Api(api)
        if not any(n.metadata and n.metadata.name == NAMESPACE for n in (await core.list_namespace()).items):
            await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
        if (await core.list_namespaced_config_map(NAMESPACE, field_selector=f"metadata.name={NAME}")).items:
            await core.delete_namespaced_config_map(NAME, NAMESPACE)
        yield Desk(kubeconfig, core, RequestStore(api, NAMESPACE, NAME))


COMMANDS: dict[str, Callable[[str], bool]] = {
    "switchover": lambda value: value == "any",
    "switchover --to 2": lambda value: value == "2",
    "promote 1 --accept-data-loss": lambda value: value == "1 accept-data-loss",
    "reseed 2": lambda value: value == "2",
    "pause --why disk": lambda value: value.endswith(": disk"),
    "resume": bool,
}


@pytest.mark.parametrize("line", COMMANDS)
async def test_each_command_writes_its_key_and_says_what_became_of_it(
    desk: Desk, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a ConfigMap that is not there yet."""
    code, answer = await desk.typed(*line.split())
    assert code == 0
    assert answer.request == line.split()[0]
    assert COMMANDS[line](answer.value)
    assert capsys.readouterr() == ("well\n", "")
    assert await desk.data() == {}


async def test_a_refusal_is_exit_code_1(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = await desk.typed("switchover", accepted=False, message="switchover refused: no replica answers")
    assert code == 1
    assert capsys.readouterr() == ("", "switchover refused: no replica answers\n")


async def test_json_is_the_answer_as_it_is(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = await desk.typed("switchover", "-o", "json", accepted=False)
    said = json.loads(capsys.readouterr().out)
    assert code == 1
    assert RequestAnswer(**said) == answer


async def test_what_others_wrote_stays_and_an_earlier_answer_is_no_answer(desk: Desk) -> None:
    """The second time the annotation already answers the very same words."""
    await desk.typed("switchover")
    await desk.core.patch_namespaced_config_map(NAME, NAMESPACE, {"data": {"note": "n"}})
    code, _ = await desk.typed("switchover", accepted=False)
    assert code == 1
    assert await desk.data() == {"note": "n"}


async def test_without_an_answer_the_request_is_taken_back(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A controller that comes up next week must not find it."""
    assert await desk.type("promote", "1", "--accept-data-loss", timeout=0.3) == 3
    said = capsys.readouterr().err
    assert said.startswith("no answer within 0.3 s; the request was taken back. Is a controller running")
    assert "kubectl -n db get lease r-controller" in said
    assert await desk.data() == {}
    assert await desk.type("switchover", "-o", "json", timeout=0.3) == 3
    assert json.loads(capsys.readouterr().out)["accepted"] is None


async def test_a_request_that_somebody_replaces_is_said_to_be_gone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    async def replace() -> None:
        assert (await desk.request()).value == "2"
        await desk.core.patch_namespaced_config_map(NAME, NAMESPACE, {"data": {"switchover": "1"}})

    async with anyio.create_task_group() as group:
        group.start_soon(replace)
        assert await desk.type("switchover", "--to", "2") == 3
    assert "the request is gone without its answer" in capsys.readouterr().err
    assert await desk.data() == {"switchover": "1"}


async def test_a_namespace_that_is_not_there(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--kubeconfig", str(desk.kubeconfig), "-n", "nowhere"]
    assert await anyio.to_thread.run_sync(main, ["switchover", *where]) == 2
    assert capsys.readouterr().err == "there is no namespace nowhere: name the release's with --namespace\n"


async def test_without_a_way_to_the_api_server(
    tmp_path: Path, kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no context of that name, nobody who listens: a sentence each, and exit code 2."""
    missing = tmp_path / "none"
    with api_server(tmp_path / "gone") as dead:
        pass
    for where, said in (
        (["--kubeconfig", str(missing)], f"there is no kubeconfig {missing}: name one"),
        (["--kubeconfig", str(kubeconfig), "--context", "mars"], "the kubeconfig names no way to the API server"),
        (["--kubeconfig", str(dead), "-n", "db"], "the API server does not answer"),
    ):
        assert await anyio.to_thread.run_sync(main, ["resume", *where]) == 2
        assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            "403 Forbidden",
            "you may not get ConfigMap r-requests in namespace db: ask for the right, such as the Role r-op",
        ),
        ("401 Unauthorized", "the API server does not accept these credentials: log in again"),
        ("500 Oops", "the API server refused to get ConfigMap r-requests in namespace db: 500 Oops"),
    ],
)
async def test_what_the_api_server_refuses_is_a_sentence(
    tmp_path: Path, status: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The missing verb is in it."""

    async def refuse(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        path = tmp_path / "kubeconfig"
        cluster = f'{{"name": "c", "cluster": {{"server": "http://127.0.0.1:{port}"}}}}'
        context = '{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "db"}}'
        users = '[{"name": "u", "user": {}}]'
        path.write_text(
            f'{{"clusters": [{cluster}], "contexts": [{context}], "users": {users}, "current-context": "c"}}'
        )
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, refuse)
            arguments = ["resume", "--kubeconfig", str(path), "--release", "r"]
            assert await anyio.to_thread.run_sync(main, arguments) == 2
            group.cancel_scope.cancel()
    assert capsys.readouterr().err.startswith(says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("promote 1", "if that is what you want, add --accept-data-loss"),
        ("promote one --accept-data-loss", "write an ordinal such as 1"),
        ("switchover --to -1", "'-1' is no instance"),
        ("reseed", "required: N"),
        ("pause --why " + "x" * 300, "at most 200 characters"),
        ("switchover --timeout 0", "write seconds"),
        ("swichover", "there is no command 'swichover'"),
    ],
    ids=lambda text: text[:30],
)
def test_wrong_use_says_what_to_write(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["switchover", "promote", "reseed", "pause", "resume"])
def test_each_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "exit codes: 0 accepted" in said
    assert all(option in said for option in ("--namespace", "--release", "--context", "--kubeconfig", "--timeout"))
    assert main(["--help"]) == 0
    assert command in capsys.readouterr().out


def test_a_plain_install_says_what_is_missing() -> None:
    """The sidecar's needs are all that it brings."""
    program = (
        "import sys; sys.modules['kubernetes'] = None; from memgraph_ha.cli import main; sys.exit(main(['resume']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr == "memgraph-ha: resume needs more: pip install 'memgraph-ha[controller]'\n"
