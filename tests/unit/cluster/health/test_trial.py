"""Experiments on every worker, and what is made of their answers."""

import json

import pytest

from cfiddle_slurm.cluster.health import trial
from cfiddle_slurm.cluster.health.trial import Trial
from tests.unit.cluster.conftest import HEAD, Program

RIGHT = {"value": 654669057, "seconds": 0.02, "node": "w1", "perf": "ok", "error": None}
WHOLE = Trial("w1", "ann", 654669057, 0.02, "ok")


def of(*seconds: float | None) -> list[Trial]:
    return [Trial(f"w{number}", "ann", seconds=one) for number, one in enumerate(seconds)]


def deviations(*seconds: float | None) -> list[float]:
    return [round(one.deviation, 3) for one in trial.with_deviations(of(*seconds))]


def test_each_time_is_compared_with_the_median() -> None:
    assert deviations(1.0, 1.1, 0.5) == [0, 0.1, -0.5]
    assert deviations(1.0, 3.0) == [-0.5, 0.5]
    assert deviations(7.0) == [0]


def test_a_worker_without_a_time_is_left_out_of_the_median() -> None:
    assert deviations(None, 1.0, 1.0, None, 1.5) == [0, 0, 0, 0, 0.5]
    assert trial.with_deviations(of(None, None)) == of(None, None)
    assert trial.with_deviations([]) == []


def test_all_else_of_a_trial_stays() -> None:
    (found,) = trial.with_deviations([WHOLE])
    assert found == WHOLE


@pytest.mark.parametrize(
    ("deviation", "alike"), [(0, True), (0.05, True), (-0.05, True), (0.051, False), (-0.2, False)]
)
def test_who_is_alike(deviation: float, alike: bool) -> None:
    assert Trial("w1", "ann", deviation=deviation).alike is alike


def test_only_the_right_value_is_right() -> None:
    assert WHOLE.right
    assert not Trial("w1", "ann", 654669058, 0.02, "ok").right
    assert not Trial("w1", "ann", 654669057, 0.02, "ok", error="x").right
    assert not Trial("w1", "ann").right


def test_the_right_value_is_what_the_loop_computes() -> None:
    # x -> a*x + c, n times, by repeated squaring of that map.
    a, c, power_a, power_c, n = 1, 0, 1664525, 1013904223, 20000000
    while n:
        if n & 1:
            a, c = a * power_a % 2**32, (c * power_a + power_c) % 2**32
        power_a, power_c = power_a * power_a % 2**32, (power_c * power_a + power_c) % 2**32
        n >>= 1
    assert (a + c) & 0x7FFFFFFF == trial._RIGHT


@pytest.fixture
def node(docker: Program) -> Program:
    """A user node on which the program answers with what is right."""
    docker.answers("ps *", "echo c0ffee")
    entry = 'echo "$7:x:1001:1001::/home/$7:/bin/bash"'
    docker.answers("exec c0ffee getent -s extrausers passwd *", entry)
    answers(docker, "*", RIGHT)
    return docker


def answers(docker: Program, worker: str, answer: dict[str, object]) -> None:
    text = json.dumps(answer)
    docker.answers(f"exec *python3 -c *{worker}", f"echo 'a warning'; echo '{text}'")


@pytest.mark.usefixtures("node")
def test_a_worker_that_measures() -> None:
    assert trial.on_workers(HEAD, ["w1"], "ann") == [WHOLE]


@pytest.mark.usefixtures("node")
def test_an_experiment_on_another_worker_says_nothing_about_this_one() -> None:
    (found,) = trial.on_workers(HEAD, ["w2"], "ann")
    assert (found.worker, found.error) == ("w2", "it ran on w1 instead")
    assert found.seconds is None


def test_every_worker_is_tried_and_told_of_in_order(node: Program) -> None:
    answers(node, "w2", {**RIGHT, "node": "w2", "seconds": 0.03})
    answers(node, "w3", {"error": "WaitError: too long"})
    found = trial.on_workers(HEAD, ["w3", "w1", "w2"], "ann")
    assert [(one.worker, one.error) for one in found] == [
        ("w3", "WaitError: too long"), ("w1", None), ("w2", None),
    ]  # fmt: skip
    assert [round(one.deviation, 2) for one in found] == [0, -0.2, 0.2]


@pytest.mark.parametrize("script", ["echo 'no python3' >&2; exit 1", "echo; echo no python3 >&2",
                                    "echo '{\"error\"'; echo no python3 >&2"])  # fmt: skip
def test_a_program_that_does_not_answer_is_told_with_its_words(node: Program, script: str) -> None:
    node.answers("exec *python3 -c *", script)
    (found,) = trial.on_workers(HEAD, ["w1"], "ann")
    assert found.error == "the program on the user node failed: no python3"


def test_users_at_once_run_wherever_slurm_puts_them(node: Program) -> None:
    found = trial.of_users_at_once(HEAD, ["ann", "bob"])
    assert [(one.worker, one.user, one.right) for one in found] == [
        ("w1", "ann", True), ("w1", "bob", True),
    ]  # fmt: skip
    runs = [call for call in node.calls if "python3" in call]
    assert {call[-1] for call in runs} == {""}
    assert {call[call.index("python3") - 1] for call in runs} == {"ann", "bob"}


def test_no_workers_are_no_trials() -> None:
    assert trial.on_workers(HEAD, [], "ann") == []
