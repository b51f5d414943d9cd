"""Run CFiddle experiments on a Slurm cluster, each alone in a single-use, perf-capable container.

Typical use, in a notebook::

    import cfiddle_slurm
    cfiddle_slurm.configure()

After that ``cfiddle.run()`` executes on the cluster. The names below are loaded on first use:
the package is also installed on workers, which have neither CFiddle nor any need of it.
"""

from cfiddle_slurm._version import __version__ as __version__

TYPE_CHECKING = False  # not typing's: its import alone would double the start-up of a sandbox
if TYPE_CHECKING:
    from cfiddle_slurm.backend import configure as configure
    from cfiddle_slurm.backend import configured as configured
    from cfiddle_slurm.backend import job_script as job_script
    from cfiddle_slurm.delegate import SlurmSandboxDelegate as SlurmSandboxDelegate
    from cfiddle_slurm.errors import *  # noqa: F403 - each is listed below
    from cfiddle_slurm.report import RunReport as RunReport
    from cfiddle_slurm.run.remote_run import last_report as last_report
    from cfiddle_slurm.settings import Settings as Settings

_HOMES = {
    "backend": ("configure", "configured", "job_script"),
    "delegate": ("SlurmSandboxDelegate",),
    "errors": (
        "CFiddleSlurmError", "ExperimentFailed", "ClusterTrouble",
        "SettingsError", "InputError", "HomeUnwritable", "SubmissionError",
        "SchedulerUnavailable", "QueueTimeout", "WallTimeLimit", "CpuTimeLimit", "OutOfMemory",
        "TooManyProcesses", "ScratchFull", "Crashed", "Exited", "OutputLimit", "ResultLimit",
        "NodeFailed", "JobLost", "Withdrawn", "Cancelled", "SandboxRefused", "SandboxUnavailable",
        "SandboxBusy", "ResultMissing", "ResultRejected", "VersionMismatch", "RemoteError",
        "MeasurementWarning",
    ),
    "run.remote_run": ("last_report",),
    "report": ("RunReport",),
    "settings": ("Settings",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return ["__version__", *sorted(_HOME_OF)]
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # nor may this one's

    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return ["__version__", *sorted(_HOME_OF)]
