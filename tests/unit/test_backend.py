"""CFiddle's side: the hook that is chosen, and what run() gets back."""

import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cfiddle.config
import pytest
from cfiddle.Data import InvocationResultsList
from cfiddle.Exceptions import CFiddleException
from cfiddle.perfcount import UnknownPerformanceCounter
from cfiddle.Runner import InvocationResult, Runner

from cfiddle_slurm import backend, errors
from cfiddle_slurm.backend import Backend, BackendFactory, configure, configured, job_script
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.results.records import RaisedThere, Records
from cfiddle_slurm.run.remote_run import Returned
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.settings import Settings
from tests.unit.experiments import invocation, library

RELEASED, NEWER = "RunnerDelegate_type", "RunnerExecutionMethod_type"
REPORT = RunReport.of(
    {"node": "worker1", "guest": {"perf": {"status": "no_pmu", "detail": "no PMU here"}}},
    scheduler="fake", submitted=0, started=1, finished=2, collected=3,
)  # fmt: skip


class Averaging(Runner):  # type: ignore[misc]
    """A Runner of the user's own."""

    def _delegated_run(self) -> Any: ...


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this suite's configuration nor its caller's settings are touched or used."""
    stack = copy.deepcopy(cfiddle.config.cfiddle_config_stack)
    monkeypatch.setattr(cfiddle.config, "cfiddle_config_stack", stack)
    monkeypatch.setattr(backend, "resolve", lambda options: Settings(**options))


def in_force(hook: str) -> Any:
    return cfiddle.config.peek_config()[hook]


@pytest.fixture
def newer_cfiddle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unreleased CFiddle: another key, and an unknown one is an error."""
    config = cfiddle.config.cfiddle_config_stack[-1]
    config[NEWER] = config.pop(RELEASED)

    def set_config(key: str, value: object) -> None:
        top = cfiddle.config.cfiddle_config_stack[-1]
        if key not in top:
            raise cfiddle.config.IllegalConfiguration(key)
        top[key] = value

    monkeypatch.setattr(cfiddle.config, "set_config", set_config)


def test_the_released_cfiddles_hook_is_taken() -> None:
    assert configure(partition="lab") == Settings(partition="lab")
    assert in_force(RELEASED).settings == Settings(partition="lab")
    assert NEWER not in cfiddle.config.peek_config()


@pytest.mark.usefixtures("newer_cfiddle")
def test_the_newer_cfiddles_hook_is_taken() -> None:
    configure(partition="lab")
    assert in_force(NEWER).settings.partition == "lab"
    assert RELEASED not in cfiddle.config.peek_config()
    with configured(partition="other"):
        assert in_force(NEWER).settings.partition == "other"
    assert in_force(NEWER).settings.partition == "lab"


def test_a_with_block_ends_even_by_an_error() -> None:
    def use() -> None:
        with configured(partition="lab") as settings:
            assert in_force(RELEASED).settings == settings
            raise RuntimeError

    before = in_force(RELEASED)
    with pytest.raises(RuntimeError):
        use()
    assert in_force(RELEASED) is before


def test_a_wrong_option_changes_nothing() -> None:
    before = in_force(RELEASED)
    with pytest.raises(errors.SettingsError):
        configure(scheduler="cron")
    with pytest.raises(errors.SettingsError), configured(scheduler="cron"):
        pass
    assert in_force(RELEASED) is before


def test_the_factory_can_be_copied_and_pickled_as_cfiddle_does() -> None:
    factory = BackendFactory(Settings(partition="lab"))
    for one in (copy.deepcopy(factory), pickle.loads(pickle.dumps(factory))):
        assert one.settings == factory.settings
        assert isinstance(one(), Backend)
    assert "partition='lab'" in repr(factory)


def test_the_job_script_is_that_of_the_settings_in_force() -> None:
    configure(scheduler="slurm", partition="lab")
    assert "--partition=lab" in job_script()
    assert "--partition=other" in job_script(scheduler="slurm", partition="other")
    assert "--partition=lab" in job_script()


def test_without_a_configuration_the_job_script_is_that_of_the_defaults() -> None:
    assert "guest" in job_script()


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("library") / "build")


class Cluster:
    """Stands for all behind the backend.

    Attributes:
        outcome: from the invocations that are asked for to what comes back.
        tasks: what was asked for.
    """

    def __init__(self) -> None:
        self.tasks: list[tuple[Task, Settings]] = []
        self.outcome: Callable[[Sequence[Any]], Returned] = lambda asked: outcome(
            [result(one) for one in asked]
        )

    def execute(self, task: Task, settings: Settings) -> Returned:
        self.tasks.append((task, settings))
        return self.outcome(task.invocations)


def result(one: Any) -> Any:
    return InvocationResult(one, [{"n": str(one.arguments["n"])}], one.arguments["n"] * 2)


def outcome(
    results: list[Any],
    error: errors.CFiddleSlurmError | None = None,
    raised: Exception | None = None,
    values: Sequence[Any] = (),
) -> Returned:
    records = Records(results=results, values=list(values))
    if raised is not None:
        name = f"{type(raised).__module__}.{type(raised).__qualname__}"
        records.raised = RaisedThere(name, str(raised), "the traceback", raised)
    return Returned(records, REPORT, error)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    found = Cluster()
    monkeypatch.setattr(backend, "execute", found.execute)
    monkeypatch.chdir(tmp_path)
    with configured(partition="lab"):
        yield found


def run(lib: Path, *numbers: int) -> Any:
    return Runner([invocation(lib, number) for number in numbers]).run()


def files() -> list[str]:
    return sorted(path.name for path in Path(".cfiddle").rglob("*.pickle"))


def test_a_run_gives_cfiddles_own_list_in_the_order_asked_for(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([result(one) for one in reversed(asked)])
    found = run(lib, 5, 3, 4)
    assert type(found) is InvocationResultsList
    assert [one.return_value for one in found] == [10, 6, 8]
    assert [row["n"] for row in found.as_dicts()] == [5, 3, 4]
    ((task, settings),) = cluster.tasks
    assert (task.kind, settings.partition) == ("cfiddle", "lab")


@pytest.mark.usefixtures("newer_cfiddle")
def test_a_run_of_the_newer_cfiddle(cluster: Cluster, lib: Path, tmp_path: Path) -> None:
    with cfiddle.config.cfiddle_config():
        # The released Runner reads its own key; the newer one's run() does the rest alike.
        cfiddle.config.cfiddle_config_stack[-1][RELEASED] = None
        runner = Runner([invocation(lib, 4)])
    command = ["cfiddle-run", "--runner", "r", "--results", str(tmp_path / "results")]
    cfiddle.config.get_config(NEWER)().execute(command, runner=runner)
    (found,) = pickle.loads((tmp_path / "results").read_bytes())
    assert found.return_value == 8


def test_the_list_is_of_the_type_that_the_runner_makes(cluster: Cluster, lib: Path) -> None:
    runner = Runner([invocation(lib)], result_list_factory=list)
    assert type(runner.run()) is list


def forged(asked: Sequence[Any]) -> dict[str, list[Any]]:
    good = [result(one) for one in asked]
    return {
        "none": [],
        "one is missing": good[1:],
        "one is twice, one is missing": [good[0], good[0]],
        "one more, of another invocation": [*good, result(copy.copy(asked[0]))],
        "one of another invocation": [good[0], result(copy.copy(asked[1]))],
        "no result at all": [good[0], {"return_value": 1}],
    }


@pytest.mark.parametrize("how", forged([invocation(Path("/x"), n) for n in (1, 2)]))
def test_results_of_anything_else_are_rejected(cluster: Cluster, lib: Path, how: str) -> None:
    cluster.outcome = lambda asked: outcome(forged(asked)[how])
    with pytest.raises(errors.ResultRejected, match="not those of the 2 invocations"):
        run(lib, 1, 2)
    assert files() == ["runner.pickle"]


def test_an_error_has_the_results_that_were_finished_before_it(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([result(asked[0])], errors.Crashed("It crashed."))
    with pytest.raises(errors.Crashed) as caught:
        run(lib, 5, 3)
    partial = caught.value.partial_results
    assert type(partial) is InvocationResultsList
    assert [one.return_value for one in partial] == [10]
    assert files() == ["runner.pickle"]


def test_even_an_errors_results_are_those_that_were_asked_for(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome(
        [result(copy.copy(asked[0]))], errors.Crashed("It crashed.")
    )
    with pytest.raises(errors.ResultRejected):
        run(lib, 5, 3)


def test_cfiddles_exceptions_come_back_as_they_are(cluster: Cluster, lib: Path) -> None:
    raised = CFiddleException("words")
    cluster.outcome = lambda asked: outcome([result(asked[0])], raised=raised)
    with pytest.raises(CFiddleException) as caught:
        run(lib, 5, 3)
    assert caught.value is raised
    assert len(raised.partial_results) == 1


def test_any_other_exception_is_told_of(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([], raised=ZeroDivisionError("by nought"))
    with pytest.raises(errors.RemoteError, match="ZeroDivisionError: by nought") as caught:
        run(lib, 5)
    assert caught.value.remote_traceback == "the traceback"
    assert caught.value.partial_results == []


def test_a_refused_counter_is_explained(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([], raised=UnknownPerformanceCounter("cycles"))
    with pytest.raises(UnknownPerformanceCounter, match=r"cycles \(on worker1: no PMU here\)"):
        run(lib, 5)


def test_a_runner_of_the_users_own_may_return_anything(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([], values=[{"mean": 2.5}])
    assert Averaging([invocation(lib, 5)]).run() == {"mean": 2.5}


def test_another_value_in_place_of_the_results_is_no_run(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome([], values=[[InvocationResult(asked[0], [], 7)]])
    with pytest.raises(errors.ResultRejected, match="1 invocations"):
        run(lib, 5)


def test_a_second_result_takes_no_ones_place(cluster: Cluster, lib: Path) -> None:
    cluster.outcome = lambda asked: outcome(
        [InvocationResult(asked[0], [], 1), InvocationResult(asked[0], [], 99)]
    )
    with pytest.raises(errors.ResultRejected):
        run(lib, 5)


def test_what_cannot_succeed_is_never_sent(cluster: Cluster, lib: Path) -> None:
    one = invocation(lib)
    one.arguments = {}
    with pytest.raises(CFiddleException, match="'n' is missing"):
        Runner([one]).run()
    assert cluster.tasks == []
