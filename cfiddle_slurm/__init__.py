"""Run CFiddle experiments on a Slurm cluster, each alone in a single-use, perf-capable container.

Typical use, in a notebook::

    import cfiddle_slurm
    cfiddle_slurm.configure()

After that ``cfiddle.run()`` executes on the cluster. The names below are loaded on first use:
the package is also installed on workers, which have neither CFiddle nor any need of it.
"""

import importlib

from cfiddle_slurm._version import __version__

TYPE_CHECKING = False  # not typing's: its import alone would double the start-up of a sandbox
if TYPE_CHECKING:
    from cfiddle_slurm.backend import configure, configured, job_script
    from cfiddle_slurm.delegate import SlurmSandboxDelegate
    from cfiddle_slurm.errors import CFiddleSlurmError
    from cfiddle_slurm.remote_run import last_report
    from cfiddle_slurm.report import RunReport
    from cfiddle_slurm.settings import Settings

_HOMES = {
    "backend": ("configure", "configured", "job_script"),
    "delegate": ("SlurmSandboxDelegate",),
    "errors": ("CFiddleSlurmError",),
    "remote_run": ("last_report",),
    "report": ("RunReport",),
    "settings": ("Settings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
