"""Following files that grow."""

from __future__ import annotations

from pathlib import Path

from sandbox.demo.tail import Tail, Tails


def test_a_line_is_given_once_and_only_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    tail = Tail(file)
    assert tail.lines() == []
    file.write_text("one\ntw")
    assert tail.lines() == ["one"]
    assert tail.lines() == []
    with file.open("a") as more:
        more.write("o\nthree\n")
    assert tail.lines() == ["two", "three"]


def test_a_character_split_between_two_reads_survives(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    tail = Tail(file)
    data = "größer\n".encode()
    file.write_bytes(data[:3])
    assert tail.lines() == []
    with file.open("ab") as more:
        more.write(data[3:])
    assert tail.lines() == ["größer"]


def test_files_that_appear_later_are_followed_too(tmp_path: Path) -> None:
    tails = Tails(tmp_path, "*/*.log")
    assert tails.lines() == []
    for pod in ("b", "a"):
        (tmp_path / pod).mkdir()
        (tmp_path / pod / "x.log").write_text(f"{pod}1\n")
    assert [(path.parent.name, line) for path, line in tails.lines()] == [("a", "a1"), ("b", "b1")]
    with (tmp_path / "a" / "x.log").open("a") as more:
        more.write("a2\n")
    assert [line for _, line in tails.lines()] == ["a2"]
