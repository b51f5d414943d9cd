"""``status --watch``: the same screen again and again, until Ctrl-C."""

import sys
import time
from datetime import datetime
from typing import NoReturn

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cfiddle_slurm.cluster.commands.common import Cluster, console, tell
from cfiddle_slurm.cluster.health import overview
from cfiddle_slurm.cluster.site.errors import ClusterError
from cfiddle_slurm.process import ProcessError

_SECONDS = 2.0


def watch(cluster: Cluster) -> NoReturn:
    """Show the cluster's state again and again; where nothing can be drawn anew, one after another.

    Whoever watches a cluster start or fail wants to see that, too: an error is shown, and no end.
    """
    try:
        if not console.is_terminal or console.is_dumb_terminal:
            while True:
                tell(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
                console.print(_shown(cluster))
                time.sleep(_SECONDS)
        with Live(_shown(cluster), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(_SECONDS)
                live.update(_shown(cluster), refresh=True)
    except KeyboardInterrupt:
        sys.exit(0)


def _shown(cluster: Cluster) -> RenderableType:
    try:
        return overview.shown(overview.gather(cluster.head, cluster.config.ssh_user))
    except (ClusterError, ProcessError) as error:
        return Text(str(error), style="red")
