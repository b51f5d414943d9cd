"""The helper as a process: started when needed, ended with its caller, replaced when it is lost."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.schedulers.binding import helper, shared
from cfiddle_slurm.schedulers.binding.conversation import Failed, Unanswered
from cfiddle_slurm.schedulers.binding.shared import Shared, Unavailable
from tests.patience import wait_until

from .conftest import PATIENCE, PLACE, StandIn, ends, is_alive

KILL = "import signal; os.kill(os.getpid(), signal.SIGKILL)"
HANG = "import time; time.sleep(100)"
TELLING = "cfiddle_slurm: pyslurm cannot be asked ({}): Slurm's commands are used instead.\n"


def states(of: Shared, *job_ids: str, binding: str = "pyslurm") -> Any:
    return of.ask(binding, {"ask": "states", "ids": job_ids})


def test_one_process_answers_all_questions(stand_in: StandIn) -> None:
    stand_in.put({"id": 7}, {"id": 8, "allocated_nodes": None, "state": "PENDING"}, {"id": 9})
    for _ in range(3):
        assert states(stand_in.shared, "7", "8", "6") == [
            ["7", "RUNNING", "None", "w1", "x"],
            ["8", "PENDING", "None", "", "x"],
        ]
    assert len(stand_in.calls("import")) == 1
    assert len(set(stand_in.calls("before_load"))) == 1
    assert "pyslurm" not in sys.modules and stand_in.calls("import") != [os.getpid()]


def test_of_one_job_that_slurm_does_not_know_nothing_is_told(stand_in: StandIn) -> None:
    assert states(stand_in.shared, "7") == []
    stand_in.put({"id": 7})
    assert len(states(stand_in.shared, "7")) == 1


def test_threads_share_it(stand_in: StandIn) -> None:
    stand_in.put(*({"id": number} for number in range(20)))
    found: list[str] = []

    def ask(number: int) -> None:
        for _ in range(5):
            found.append(states(stand_in.shared, str(number))[0][0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(found) == sorted([str(number) for number in range(20)] * 5)
    assert len(stand_in.calls("import")) == 1


def test_auto_does_not_wait_for_its_start(stand_in: StandIn) -> None:
    gate = stand_in.folder / "gate"
    stand_in.at("import", f"import time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)")
    with pytest.raises(Unavailable):
        states(stand_in.shared, "7", binding="auto")
    gate.touch()

    def answers() -> bool:
        try:
            return bool(states(stand_in.shared, "7", binding="auto") == [])
        except Unavailable:
            return False

    assert wait_until(answers, PATIENCE)
    assert len(stand_in.calls("import")) == 1


def test_without_pyslurm_auto_starts_nothing_and_says_nothing(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "path", [str(PLACE)])
    assert shared._may_be_there() and "pyslurm" not in sys.modules
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Unavailable):
        states(stand_in.shared, binding="auto")
    assert stand_in.shared._helper is None
    assert capfd.readouterr().err == ""


def test_who_asks_for_pyslurm_is_told_once_that_there_is_none(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'pyslurm'\")"
    (stand_in.folder / "pyslurm.py").write_text(missing)  # this machine may have it
    monkeypatch.setenv("PYTHONPATH", str(stand_in.folder))
    for _ in range(2):
        with pytest.raises(Unavailable):
            states(stand_in.shared)
    assert capfd.readouterr().err == TELLING.format("No module named 'pyslurm'")


def test_an_import_that_ends_the_process(
    stand_in: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in.at("import", "os.write(1, b'fatal: no configuration\\n'); os._exit(1)")

    def is_given_up() -> bool:
        with pytest.raises(Unavailable) as caught:
            states(stand_in.shared)
        return "failed too often" in str(caught.value)

    assert wait_until(is_given_up, PATIENCE) and is_given_up()
    assert capfd.readouterr().err == TELLING.format(
        "its process has ended: fatal: no configuration"
    )
    assert len(stand_in.calls("import")) == 3


def test_an_import_that_says_that_it_fails(
    stand_in: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in.at("import", "raise ImportError('libslurmfull.so: no such file')")
    with pytest.raises(Unavailable):
        states(stand_in.shared)
    assert capfd.readouterr().err == TELLING.format("libslurmfull.so: no such file")
    with pytest.raises(Unavailable):
        states(stand_in.shared, binding="auto")
    assert len(stand_in.calls("import")) == 1


def test_what_is_printed_breaks_nothing(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    (stand_in.folder / "sitecustomize.py").write_text("print('Welcome'); print('{\"n\": 0}')")
    monkeypatch.setenv("PYTHONPATH", f"{PLACE}:{stand_in.folder}")
    garbage = (
        "print('hello'); os.write(1, b'\\xff{\"n\": 1, \"answer\": []}\\n'); os.write(2, b'x')"
    )
    stand_in.at("import", garbage)
    stand_in.at("before_load", garbage)
    stand_in.put({"id": 7})
    assert len(states(stand_in.shared, "7")) == 1


def test_much_that_is_printed_is_kept_within_bounds(stand_in: StandIn) -> None:
    stand_in.at(
        "before_load",
        "import contextlib\n"
        "with contextlib.suppress(OSError):\n"
        "    while True: os.write(2, b'x' * 65536)\n"
        "raise RPCError(1, 'no')",
    )
    for _ in range(2):
        with pytest.raises(Failed) as caught:
            states(stand_in.shared, "7")
        assert 0 < len(caught.value.log) <= 64 << 10
    assert len(stand_in.calls("import")) == 1


def test_an_error_has_its_words_and_what_slurm_printed(stand_in: StandIn) -> None:
    stand_in.at("before_load", "os.write(2, b'error: x\\n'); raise RPCError(1, 'no such thing')")
    with pytest.raises(Failed) as caught:
        states(stand_in.shared, "7")
    assert (caught.value.words, caught.value.log) == ("no such thing", "error: x\n")
    stand_in.at("before_load", "")
    assert states(stand_in.shared, "7") == []
    assert len(stand_in.calls("import")) == 1


def test_one_that_does_not_reach_slurm_is_replaced(stand_in: StandIn) -> None:
    """The controller may have another address by now."""
    stand_in.at("before_load", "raise RPCError(1, 'Unable to contact slurm controller')")
    with pytest.raises(Failed):
        states(stand_in.shared)
    assert ends(stand_in.calls("import")[0])
    stand_in.at("before_load", "")
    assert states(stand_in.shared) == []
    assert len(stand_in.calls("import")) == 2


def test_a_start_that_takes_long_is_waited_for_once(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in.at("import", HANG)
    monkeypatch.setattr(shared, "START_SECONDS", 0.2)
    with pytest.raises(Unavailable):
        states(stand_in.shared)
    monkeypatch.setattr(shared, "START_SECONDS", 3600.0)
    with pytest.raises(Unavailable):
        states(stand_in.shared)
    assert capfd.readouterr().err == TELLING.format("its start takes too long")


def test_one_that_died_before_the_question_is_replaced(stand_in: StandIn) -> None:
    states(stand_in.shared)
    for _ in range(2):
        os.kill(stand_in.calls("import")[-1], signal.SIGKILL)
        assert ends(stand_in.calls("import")[-1])
        with pytest.raises(Unavailable):
            states(stand_in.shared)
        assert states(stand_in.shared) == []
    assert len(stand_in.calls("import")) == 3


def test_one_that_ended_since_nobody_asked_is_replaced_at_once(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cfiddle_slurm.schedulers.binding import conversation

    impatient = tmp_path / "helper.py"
    source = conversation.PROGRAM.read_text()
    line = f"IDLE_SECONDS = {helper.IDLE_SECONDS}"
    assert line in source
    impatient.write_text(source.replace(line, "IDLE_SECONDS = 0.2"))
    monkeypatch.setattr(conversation, "PROGRAM", impatient)
    for number in range(5):
        assert states(stand_in.shared) == []
        assert ends(stand_in.calls("import")[number])
    assert not stand_in.shared._deaths


@pytest.mark.parametrize("point", ["before_submit", "after_submit"])
def test_one_that_dies_in_a_question_says_that_it_had_taken_it(
    stand_in: StandIn, point: str
) -> None:
    stand_in.at(point, KILL)
    script = stand_in.folder / "job.sh"
    question = {"ask": "submit", "job": {"name": "x", "script": str(script)}}
    with pytest.raises(Unanswered) as caught:
        stand_in.shared.ask("pyslurm", question)
    assert caught.value.taken and caught.value.died
    assert len(stand_in.jobs()) == (point == "after_submit")
    (stand_in.folder / f"{point}.py").unlink()
    assert stand_in.shared.ask("pyslurm", question) == 100 + (point == "after_submit")


def test_one_that_takes_too_long_is_ended(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    states(stand_in.shared)
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 0.2)
    stand_in.at("before_load", HANG)
    with pytest.raises(Unanswered) as caught:
        states(stand_in.shared)
    assert caught.value.taken and not caught.value.died
    assert ends(stand_in.calls("import")[0])
    monkeypatch.setattr(shared, "ANSWER_SECONDS", PATIENCE)
    stand_in.at("before_load", "")
    assert states(stand_in.shared) == []


def test_nobody_waits_in_line_for_long(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ANSWER_SECONDS", 0.2)
    with stand_in.shared._lock, pytest.raises(Unavailable):
        states(stand_in.shared)


def test_ctrl_c_leaves_no_answer_for_the_next_question(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    states(stand_in.shared)
    stand_in.at("before_load", f"os.kill({os.getpid()}, {signal.SIGINT.value})\n{HANG}")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # xdist ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            states(stand_in.shared)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ends(stand_in.calls("import")[0])
    stand_in.at("before_load", "")
    stand_in.put({"id": 7})
    assert len(states(stand_in.shared, "7")) == 1
    assert not stand_in.shared._deaths


def test_a_forked_child_has_a_helper_of_its_own_that_dies_with_it(stand_in: StandIn) -> None:
    """By kill -9, too; and the child does not keep its parent's alive."""
    stand_in.put({"id": 7})
    states(stand_in.shared, "7")
    os.register_at_fork(after_in_child=stand_in.shared.forget)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = states(stand_in.shared, "7")
            os.write(writing, b"1" if len(answer) == 1 else b"0")
            threading.Event().wait(PATIENCE)
        finally:
            os._exit(1)
    try:
        assert os.read(reading, 1) == b"1"
        parents, childs = stand_in.calls("import")
        stand_in.shared.close()
        assert ends(parents)
        assert is_alive(childs)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ends(childs)


def test_the_folder_of_the_notebook_is_not_searched(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "select", "pyslurm"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    assert states(stand_in.shared) == []


def test_a_pyslurm_of_another_release_is_not_used() -> None:
    assert [helper._api_of(v) for v in ("23.11.0", "24.05.2", "24.11.0", "25.11.0")] == [
        40, 41, 42, 44,
    ]  # fmt: skip
