"""``python -m cfiddle_slurm.door slurm|munge|user-walls|worker-walls``.

The first two are the doors; the others print rules for ``nft -f -``, for the container it runs in.
"""

import asyncio
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from cfiddle_slurm.door import munge, slurm, walls

_SERVED = {"slurm": slurm.serve, "munge": munge.serve}
_WALLS = {"user-walls": walls.user, "worker-walls": walls.worker}


def main(words: Sequence[str]) -> int:
    """Returns the exit status: 2 for a wrong command line."""
    word = words[0] if len(words) == 1 else ""
    if word in _WALLS:
        nets = walls.parse_routes(Path("/proc/net/route").read_text(encoding="ascii"))
        print(_WALLS[word](nets), end="")
        return 0
    if word not in _SERVED:
        print(f"usage: python -m cfiddle_slurm.door {'|'.join([*_SERVED, *_WALLS])}")
        return 2
    # Every connection takes two descriptors.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_SERVED[word]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
