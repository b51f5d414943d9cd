"""A sandboxd, or a notebook, with one wall less, for ``make test-walls`` and nothing else.

``python -m tests.attacks.weaker sandboxd WALL ARGUMENT ...`` takes sandboxd's own arguments,
``python -m tests.attacks.weaker notebook WALL FOLDER PLAN`` those of ``driver``.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

from cfiddle_slurm.sandbox.daemon import __main__ as sandboxd
from cfiddle_slurm.sandbox.daemon import conversation
from cfiddle_slurm.sandbox.daemon.container_config import create_arguments
from tests.attacks.walls import WALLS, Wall
from tests.attacks.weak_guest import replace
from tests.sandbox.harness import SANDBOX_VERSIONS

_WEAK = "/weak_guest.py"
_NOTEBOOK_BYTES = 6 << 30


def weakened(arguments: dict[str, Any], wall: Wall) -> dict[str, Any]:
    """What the engine is told about a container, without a wall."""
    host = arguments["HostConfig"]
    found = {**arguments, **wall.container, "HostConfig": {**host, **wall.host}}
    if wall.calls:
        found["HostConfig"]["SecurityOpt"] = [
            f"seccomp={with_calls(option.partition('=')[2], wall.calls)}"
            if option.startswith("seccomp=") else option
            for option in host["SecurityOpt"]
        ]  # fmt: skip
    if wall.capabilities:
        entry = found["Entrypoint"]
        added = "".join(f",+{name.lower()}" for name in wall.capabilities)
        found["Entrypoint"] = [
            word.replace("=-all", f"=-all{added}") if "-caps=" in word or "-set=" in word else word
            for word in entry
        ]
        found["HostConfig"]["CapAdd"] = [*host["CapAdd"], *wall.capabilities]
    if wall.ulimits:
        others = [each for each in host["Ulimits"] if each["Name"] not in wall.ulimits]
        ours = [{"Name": name, "Soft": most, "Hard": most} for name, most in wall.ulimits.items()]
        found["HostConfig"]["Ulimits"] = [*others, *ours]
    if wall.guest:
        *interpreter, _, _ = found["Entrypoint"]
        found["Entrypoint"] = [*interpreter, _WEAK, wall.guest]
        found["HostConfig"]["Binds"] = [f"{Path(__file__).parent / 'weak_guest.py'}:{_WEAK}:ro"]
    if wall.scratch:
        found["HostConfig"]["Tmpfs"] = {
            place: ",".join(
                f"{key}={wall.scratch[key]}" if (key := option.partition("=")[0]) in wall.scratch
                else option
                for option in text.split(",")
            )
            for place, text in host["Tmpfs"].items()
        }  # fmt: skip
    return found


def with_calls(profile: str, calls: tuple[str, ...]) -> str:
    """A seccomp profile that lets more system calls pass; ``*`` for all of them."""
    if "*" in calls:
        return "unconfined"
    found = json.loads(profile)
    for rule in found["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in calls]
    found["syscalls"] = [rule for rule in found["syscalls"] if rule["names"]]
    found["syscalls"].append({"names": list(calls), "action": "SCMP_ACT_ALLOW"})
    return json.dumps(found)


def notebook(wall: Wall, folder: str, plan: str) -> int:
    """Attack, as ``driver`` does."""
    from tests.attacks import driver

    # Some results take all memory there is, once nobody bounds them.
    resource.setrlimit(resource.RLIMIT_AS, (_NOTEBOOK_BYTES, _NOTEBOOK_BYTES))
    # This machine's Python need not be the image's: what they exchange here, both can read.
    replace("cfiddle_slurm.sandbox.versions", "here", lambda: SANDBOX_VERSIONS)
    if wall.notebook is not None:
        wall.notebook()
    driver.main(Path(folder), json.loads(plan))
    return 0


def serve(wall: Wall, arguments: list[str]) -> int:
    """As sandboxd does."""
    create = create_arguments
    if wall.sandboxd is not None:
        wall.sandboxd()

    def created(*words: Any, **named: Any) -> dict[str, Any]:
        return weakened(create(*words, **named), wall)

    replace(conversation.__name__, "create_arguments", created)
    return sandboxd.main(arguments)


def main() -> int:
    """One of the two."""
    what, name, *arguments = sys.argv[1:]
    if what == "sandboxd":
        return serve(WALLS[name], arguments)
    return notebook(WALLS[name], *arguments)


if __name__ == "__main__":
    sys.exit(main())
