"""Where runs are submitted. One scheduler and one watcher of a kind serve the whole process."""

import threading

from cfiddle_slurm.schedulers.base import Scheduler
from cfiddle_slurm.schedulers.state_watch import StateWatcher
from cfiddle_slurm.settings import Settings

_lock = threading.Lock()
_schedulers: dict[tuple[str, str], Scheduler] = {}
_watchers: dict[Scheduler, StateWatcher] = {}


def scheduler_for(settings: Settings) -> Scheduler:
    """The scheduler that the settings name."""
    # Local jobs have their numbers from the one scheduler that runs them.
    key = (settings.scheduler, "" if settings.scheduler == "local" else settings.binding)
    with _lock:
        if key not in _schedulers:
            _schedulers[key] = _make(*key)
        return _schedulers[key]


def _make(name: str, binding: str) -> Scheduler:
    if name == "local":
        from cfiddle_slurm.schedulers.local import LocalScheduler

        return LocalScheduler()
    from cfiddle_slurm.schedulers.slurm import SlurmScheduler

    return SlurmScheduler(binding)


def watcher_for(scheduler: Scheduler, settings: Settings) -> StateWatcher:
    """The watcher of a scheduler's jobs; the latest settings decide how often it asks."""
    with _lock:
        watcher = _watchers.setdefault(scheduler, StateWatcher(scheduler, settings.query_interval))
        watcher.interval = settings.query_interval
        return watcher
