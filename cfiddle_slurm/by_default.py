"""Runs on the cluster where nobody called :func:`cfiddle_slurm.configure`, as on the user node.

Importing CFiddle must stay cheap: the settings are read, and the rest of this package is loaded,
by the first run.
"""

from dataclasses import dataclass
from typing import Any

from cfiddle_slurm.cfiddle_hook import hook


@dataclass(frozen=True)
class Unconfigured:
    """Stands in CFiddle's configuration until the user puts something else there.

    One is like another: CFiddle copies its configuration.
    """

    def __call__(self) -> Any:
        """The backend that ``configure()`` without any options would give.

        Raises:
            SettingsError: a wrong value in the environment or a file.
        """
        from cfiddle_slurm.backend import Backend
        from cfiddle_slurm.settings import resolve

        return Backend(resolve({}))


def configure() -> None:
    """Have this process's runs executed as the site's and the user's settings say."""
    from cfiddle.config import set_config

    set_config(hook(), Unconfigured())
