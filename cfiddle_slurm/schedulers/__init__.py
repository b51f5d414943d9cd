"""Where runs are submitted. One scheduler and one watcher per kind serve the whole process."""

import threading

from cfiddle_slurm.schedulers.base import Scheduler
from cfiddle_slurm.schedulers.state_watch import StateWatcher
from cfiddle_slurm.settings import Settings

_lock = threading.Lock()
_schedulers: dict[str, Scheduler] = {}
_watchers: dict[str, StateWatcher] = {}


def scheduler_for(settings: Settings) -> Scheduler:
    """The scheduler that the settings name."""
    with _lock:
        if settings.scheduler not in _schedulers:
            _schedulers[settings.scheduler] = _make(settings.scheduler)
        return _schedulers[settings.scheduler]


def _make(name: str) -> Scheduler:
    if name == "local":
        from cfiddle_slurm.schedulers.local import LocalScheduler

        return LocalScheduler()
    from cfiddle_slurm.schedulers.slurm import SlurmScheduler

    return SlurmScheduler()


def watcher_for(scheduler: Scheduler, settings: Settings) -> StateWatcher:
    """The watcher of a scheduler's jobs; the latest settings decide how often it asks."""
    with _lock:
        watcher = _watchers.setdefault(
            scheduler.name, StateWatcher(scheduler, settings.query_interval)
        )
        watcher.interval = settings.query_interval
        return watcher
