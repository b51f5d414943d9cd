"""The CFiddle side: after :func:`configure`, ``cfiddle.run()`` executes on the cluster."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cfiddle_slurm.cfiddle_hook import hook
from cfiddle_slurm.errors import ResultRejected, home_trouble
from cfiddle_slurm.outgoing.cfiddle_task import cfiddle_task
from cfiddle_slurm.report import RunReport
from cfiddle_slurm.run.remote_run import Returned, execute
from cfiddle_slurm.schedulers import scheduler_for
from cfiddle_slurm.settings import Settings, resolve


class BackendFactory:
    """What stands in CFiddle's configuration: called without arguments, it gives a backend.

    An object and not a class, since it carries the settings; CFiddle copies and pickles it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self) -> "Backend":
        return Backend(self.settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"


class Backend:
    """Executes one CFiddle run with the given settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def execute(self, command: list[str], runner: Any) -> None:
        """Carry out what ``command`` would do here, ``cfiddle-run --runner R --results S``.

        Args:
            command: CFiddle's command; only the results file is taken from it.
            runner: the :class:`cfiddle.Runner.Runner` whose invocations are to be executed.

        Raises:
            CFiddleException, CFiddleSlurmError: as :meth:`results_of`.
        """
        results = self.results_of(runner)
        # CFiddle loads these bytes next: they are written here, not in the sandbox.
        try:
            with Path(command[command.index("--results") + 1]).open("wb") as stream:
                pickle.dump(results, stream)
        except OSError as failure:
            trouble = home_trouble(failure)
            if trouble is None:
                raise
            raise trouble from failure

    def results_of(self, runner: Any) -> Any:
        """Execute a runner's invocations; the results as CFiddle's list, in their order.

        Raises:
            cfiddle.CFiddleException: what the experiment raised; or a CFiddleSlurmError, which
                has the results finished before in ``partial_results``.
        """
        task = cfiddle_task(runner, self._settings)
        returned = execute(task, self._settings)
        results = _results_of(runner, task.invocations, returned)
        error: Any = returned.error
        if error is None and returned.records.raised is not None:
            error = returned.records.raised.as_cfiddle_exception()
            _explain_counters(error, returned.report)
        if error is not None:
            error.partial_results = results
            raise error
        return results


def _results_of(runner: Any, invocations: Sequence[Any], returned: Returned) -> Any:
    """The finished results as CFiddle's own list, in the order of the invocations.

    Raises:
        ResultRejected: a run that claims to be complete is not, or holds what was not asked for.
    """
    if returned.records.values and _has_its_own_way(runner):
        return returned.records.values[0]
    place = {id(invocation): number for number, invocation in enumerate(invocations)}
    found = {
        place.get(id(getattr(result, "invocation", None))): result
        for result in returned.records.results
    }
    complete = returned.error is None and returned.records.raised is None
    surplus = returned.records.values or len(found) != len(returned.records.results)
    if surplus or None in found or (complete and len(found) != len(invocations)):
        raise ResultRejected(
            f"The results are not those of the {len(invocations)} invocations that were asked for.",
            hint="Does your code end its process, or write to files that it did not open?",
        )
    results = runner._result_list_factory()
    for number in sorted(number for number in found if number is not None):
        results.append(found[number])
    return results


def _has_its_own_way(runner: Any) -> bool:
    """Whether it is of a class of the user's own, which may return anything."""
    from cfiddle.Runner import Runner

    return type(runner)._delegated_run is not Runner._delegated_run


def _explain_counters(error: Exception, report: RunReport) -> None:
    """Say why a performance counter is refused: CFiddle knows the name only."""
    if type(error).__name__ == "UnknownPerformanceCounter":
        error.args = (f"{error} (on {report.node}: {report.perf_detail})",)


def configure(**options: Any) -> Settings:
    """Make ``cfiddle.run()`` execute on the cluster from now on.

    Args:
        **options: fields of :class:`~cfiddle_slurm.settings.Settings`; what is not given comes
            from ``CFIDDLE_SLURM_*`` variables, the user's and the site's configuration files.

    Returns:
        The settings that are now in force.

    Raises:
        SettingsError: an unknown option or a wrong value, wherever it stands.
    """
    from cfiddle.config import set_config

    settings = resolve(options)
    set_config(hook(), BackendFactory(settings))
    if find_spec("delegate_function") is not None:
        import_module("cfiddle_slurm.delegate")  # makes ours known to its YAML
    return settings


@contextmanager
def configured(**options: Any) -> Iterator[Settings]:
    """As :func:`configure`, for the time of a ``with`` block.

    CFiddle keeps one configuration per process, so two threads must not use this at once;
    plain ``run()`` in several threads is fine.

    Raises:
        SettingsError: as :func:`configure`.
    """
    from cfiddle.config import cfiddle_config

    settings = resolve(options)
    with cfiddle_config(**{hook(): BackendFactory(settings)}):
        yield settings


def job_script(**options: Any) -> str:
    """What would be submitted for a run, as text; nothing is submitted.

    Args:
        **options: as for :func:`configure`; without any, the settings in force.

    Raises:
        SettingsError: as :func:`configure`.
    """
    settings = resolve(options) if options else _current()
    return scheduler_for(settings).script(settings.jobs_directory / "<run id>", settings)


def _current() -> Settings:
    from cfiddle.config import peek_config

    factory = peek_config().get(hook())
    return factory.settings if isinstance(factory, BackendFactory) else resolve({})
