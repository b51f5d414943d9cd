"""``python -m cfiddle_slurm.cluster``: stand the cluster up, look after it, take it down."""

import sys

__all__ = ["main"]
_EXTRA = ("click", "docker", "paramiko", "rich", "tomlkit")
"""What the extra ``cluster`` installs: students' machines do not need it."""

try:
    from cfiddle_slurm.cluster.commands.program import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in _EXTRA:
        raise
    sys.exit(
        f"cfiddle-cluster needs {error.name}, which is not installed here: "
        "run  pip install 'cfiddle_slurm[cluster]'"
    )

if __name__ == "__main__":
    main()
