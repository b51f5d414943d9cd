"""What runs under a uid in a container."""

from pathlib import Path

import pytest

from cfiddle_slurm.cluster.people import ending


def test_processes_are_found_by_any_of_their_uids(tmp_path: Path) -> None:
    states = {
        "11": "S (sleeping)\nUid:\t1100\t1100\t1100\t1100",
        "12": "R (running)\nUid:\t0\t0\t1100\t0",
        "13": "Z (zombie)\nUid:\t1100\t1100\t1100\t1100",
        "14": "S (sleeping)\nUid:\t11001\t11001\t11001\t11001",
    }
    for number, text in states.items():
        (tmp_path / number).mkdir()
        (tmp_path / number / "status").write_text(f"Name:\tsh Uid:\nState:\t{text}\nGid:\t1100\n")
    (tmp_path / "15").mkdir()  # it has ended meanwhile
    (tmp_path / "self").mkdir()
    assert sorted(ending.running(1100, tmp_path)) == [11, 12]
    assert ending.running(1, tmp_path) == []


@pytest.mark.parametrize("words", [["0"], ["999"], ["-1"], ["ann"], []])
def test_only_students_are_ended(words: list[str]) -> None:
    with pytest.raises((ValueError, IndexError)):
        ending.main(words)


def test_where_nothing_runs_nothing_is_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(ending, "running", lambda uid: [])
    monkeypatch.setattr(ending, "kill_all", lambda uid: steps.append(f"kill {uid}"))
    monkeypatch.setattr(ending, "remove_left", lambda uid: steps.append(f"remove {uid}"))
    assert ending.main(["1100"]) == 0
    assert steps == ["kill 1100", "remove 1100"]


def test_what_does_not_end_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ending, "running", lambda uid: [17, 18])
    monkeypatch.setattr(ending, "kill_all", lambda uid: None)
    monkeypatch.setattr(ending, "_SECONDS", 0.1)
    assert ending.main(["1100"]) == 1
    assert capsys.readouterr().err == "these do not end: 17 18\n"
