"""delegate_function's side, with a sandbox that is this very process."""

import importlib
import importlib.util
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cfiddle_slurm import delegate as delegate_module
from cfiddle_slurm import errors
from cfiddle_slurm.bundle.archive import write_below
from cfiddle_slurm.bundle.layout import MODULES
from cfiddle_slurm.delegate import SlurmSandboxDelegate
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.results.records import Records, read_records
from cfiddle_slurm.run.remote_run import Returned
from cfiddle_slurm.run.task import Task
from cfiddle_slurm.sandbox.guest.experiment import run_call
from cfiddle_slurm.sandbox.guest.recording import Recorder
from cfiddle_slurm.settings import Settings

MODULE = '''
import io


class Trouble(Exception):
    pass


class Account:
    """What a student delegates."""

    limit = 10

    def __init__(self):
        self.sum = 0
        self.kept = ["stays"]

    def add(self, number, *, times=1):
        self.sum += number * times
        if self.sum > self.limit:
            raise Trouble("too much")
        return self.sum

    def close(self):
        del self.kept


class Through:
    """A delegate for inside the sandbox."""

    def invoke(self, obj, method, *args, **kwargs):
        obj.through = method
        return getattr(obj, method)(*args, **kwargs)


class SelfContained:
    """As CFiddle's SelfContainedExecutionMethod: all that a run needs is in the object itself,
    the delegate too, and the caller finds in it afterwards what the run made."""

    def __init__(self, delegator):
        self._delegator = delegator

    def execute(self, command, runner):
        self._command, self._runner = command, runner
        self._inputs_file = io.BytesIO(b"inputs")
        self._delegator.invoke(self, "_do_execution")
        return self._outputs_file.getvalue()

    def _do_execution(self):
        text = self._inputs_file.getvalue() + b" of " + self._command[0].encode()
        self._outputs_file = io.BytesIO(text)
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The student's module."""
    (tmp_path / "students_account.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("students_account")
    del sys.modules["students_account"]


class Sandbox:
    """Executes tasks here and now, and remembers them.

    Attributes:
        tasks: what was executed, and with what settings.
        answer: what comes back instead, if a test wants to decide that.
    """

    def __init__(self, folder: Path) -> None:
        self.tasks: list[tuple[Task, Settings]] = []
        self.answer: Returned | None = None
        self._folder = folder

    def execute(self, task: Task, settings: Settings) -> Returned:
        self.tasks.append((task, settings))
        return self.answer or outcome(self._records(task))

    def _records(self, task: Task) -> Records:
        work = self._folder / str(len(self.tasks))
        work.mkdir()
        for member in task.members:
            data = member.source if isinstance(member.source, bytes) else member.source.read_bytes()
            write_below(work, member.path, io.BytesIO(data))
        stream = io.BytesIO()
        path = list(sys.path)
        plan = {"entry": {**task.entry, "full": False}}  # CFiddle is here already
        run_call(plan, str(work), Recorder(stream))
        sys.path[:] = path
        stream.seek(0)
        return read_records([io.BufferedReader(stream)], task.invocations, task.extra)


def outcome(records: Records, error: errors.CFiddleSlurmError | None = None) -> Returned:
    report = RunReport.of({}, scheduler="x", submitted=0, started=0, finished=0, collected=0)
    return Returned(records, report, error)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    found = Sandbox(tmp_path)
    monkeypatch.setattr(delegate_module, "execute", found.execute)
    monkeypatch.setattr(delegate_module, "resolve", lambda options: Settings(**options))
    return found


def test_value_and_attributes_come_back_in_place(sandbox: Sandbox, own: Any) -> None:
    account = own.Account()
    attributes, kept = vars(account), account.kept
    delegate = SlurmSandboxDelegate(partition="lab")
    assert delegate.invoke(account, "add", 2, times=3) == 6
    assert account.sum == 6
    assert vars(account) is attributes
    assert account.kept is kept
    delegate.invoke(account, "close")
    assert attributes == {"sum": 6}
    assert [settings.partition for _, settings in sandbox.tasks] == ["lab", "lab"]


def test_an_exception_comes_back_with_its_type_and_the_attributes(
    sandbox: Sandbox, own: Any
) -> None:
    account = own.Account()
    with pytest.raises(own.Trouble, match="too much"):
        SlurmSandboxDelegate().invoke(account, "add", 11)
    assert account.sum == 11


def test_what_is_sent_for_a_call(sandbox: Sandbox, own: Any, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("words")
    delegate = SlurmSandboxDelegate(input_files=["in.txt"], output_files=["out.txt"])
    delegate.invoke(own.Account(), "add", 1)
    ((task, _),) = sandbox.tasks
    assert [member.path for member in task.members] == [
        "call.pickle", f"{MODULES}/students_account.py", "files/in.txt",
    ]  # fmt: skip
    assert (task.kind, task.outputs) == ("call", ("out.txt",))
    assert task.entry == {"call": "call.pickle", "full": False, "only": None}
    assert ("students_account", "Account") in task.extra


def test_a_subdelegate_makes_the_call_in_the_sandbox(sandbox: Sandbox, own: Any) -> None:
    account = own.Account()
    delegate = SlurmSandboxDelegate(subdelegate=own.Through())
    assert delegate.invoke(account, "add", 1) == 1
    assert account.through == "add"
    delegate.set_subdelegate(None)
    account = own.Account()
    delegate.invoke(account, "add", 1)
    assert not hasattr(account, "through")
    delegate.set_subdelegate(own.Through())
    delegate.invoke(account, "add", 1)
    assert account.through == "add"


def test_cfiddles_self_contained_execution(sandbox: Sandbox, own: Any) -> None:
    method = own.SelfContained(SlurmSandboxDelegate(partition="lab"))
    assert method.execute(["cfiddle-run"], {"any": "runner"}) == b"inputs of cfiddle-run"
    ((task, _),) = sandbox.tasks
    assert task.entry["full"] is False


def test_a_call_that_names_cfiddle_gets_all_of_it(sandbox: Sandbox, own: Any) -> None:
    from cfiddle.Runner import Runner

    SlurmSandboxDelegate().invoke(own.Account(), "add", 1)
    account = own.Account()
    account.kind = Runner
    SlurmSandboxDelegate().invoke(account, "add", 1)
    assert [task.entry["full"] for task, _ in sandbox.tasks] == [False, True]


class Bare:
    __slots__ = ()

    def method(self) -> None: ...


@pytest.mark.parametrize("method", ["vanish", "limit"])
def test_what_has_no_such_method_is_refused(sandbox: Sandbox, own: Any, method: str) -> None:
    with pytest.raises(errors.InputError, match=f"Account has no method '{method}'"):
        SlurmSandboxDelegate().invoke(own.Account(), method)
    with pytest.raises(errors.InputError, match="Bare has no method 'method'"):
        SlurmSandboxDelegate().invoke(Bare(), "method")
    assert sandbox.tasks == []


def test_arguments_that_cannot_travel_are_refused(sandbox: Sandbox, own: Any) -> None:
    with pytest.raises(errors.InputError, match="cannot be sent"):
        SlurmSandboxDelegate().invoke(own.Account(), "add", threading.Lock())
    assert sandbox.tasks == []


def test_a_run_that_failed_leaves_the_object_alone(sandbox: Sandbox, own: Any) -> None:
    account = own.Account()
    state = {"sum": 99}
    sandbox.answer = outcome(Records([], [], state), errors.Crashed("It crashed."))
    with pytest.raises(errors.Crashed):
        SlurmSandboxDelegate().invoke(account, "add", 1)
    sandbox.answer = outcome(Records([], []))
    with pytest.raises(errors.ResultRejected):
        SlurmSandboxDelegate().invoke(account, "add", 1)
    assert account.sum == 0


def test_a_value_that_came_is_not_lost_with_an_output_file(sandbox: Sandbox, own: Any) -> None:
    sandbox.answer = outcome(Records([], [7]), errors.InputError("It could not be written."))
    with pytest.raises(errors.InputError) as caught:
        SlurmSandboxDelegate().invoke(own.Account(), "add", 1)
    assert caught.value.partial_results == 7


def again(monkeypatch: pytest.MonkeyPatch, delegate_function: ModuleType | None) -> Any:
    """The delegate's class, from its module loaded again where delegate_function is as given."""
    monkeypatch.setitem(sys.modules, "delegate_function", delegate_function)
    origin = delegate_module.__file__
    spec = importlib.util.spec_from_file_location("cfiddle_slurm.delegate_again", origin)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SlurmSandboxDelegate


def stub(**names: object) -> ModuleType:
    module = ModuleType("delegate_function")
    vars(module).update(names)
    return module


def test_it_is_one_of_the_packages_own_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class BaseDelegate:
        def __init__(self, subdelegate: object, interactive: bool) -> None:
            self.base_was_given = (subdelegate, interactive)

    package = stub(BaseDelegate=BaseDelegate)
    kind = again(monkeypatch, package)
    made = kind("next", debug_pre_hook=None, interactive=True, partition="lab")
    assert issubclass(kind, BaseDelegate)
    assert made.base_was_given == ("next", True)
    assert package.SlurmSandboxDelegate is kind, "chains in YAML find it there"
    assert made._interactive is True
    assert made.settings.partition == "lab"


@pytest.mark.parametrize(
    "package", [None, stub(), stub(BaseDelegate=lambda: None)], ids=["absent", "empty", "strange"]
)
def test_it_does_without_the_package(
    package: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = again(monkeypatch, package)
    assert kind.__bases__ == (object,)
    made = kind("next", interactive=True)
    assert (made._subdelegate, made._interactive) == ("next", True)


def test_a_hook_that_would_need_a_terminal_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="no debug_pre_hook: a sandbox has no terminal"):
        SlurmSandboxDelegate(debug_pre_hook="SHELL")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(errors.SettingsError, match="no setting 'partitoin'"):
        SlurmSandboxDelegate(partitoin="lab")
