"""Code that is loaded by a variable must run as the experiment, and nowhere else."""

import os
import shutil
from pathlib import Path
from typing import Any

import cfiddle

import cfiddle_slurm
from tests.attacks.student import Student

FILES = "/work/files"
WAYS = {
    "LD_PRELOAD": f"{FILES}/evil.so",
    "LD_AUDIT": f"{FILES}/evil.so",
    "LD_LIBRARY_PATH": FILES,
    "GCONV_PATH": FILES,
    "PYTHONPATH": FILES,
    "PYTHONHOME": FILES,
    "PYTHONSTARTUP": f"{FILES}/sitecustomize.py",
    "PATH": FILES,
    "HOME": FILES,
    "ENV": f"{FILES}/sh",
    "BASH_ENV": f"{FILES}/sh",
    "GLIBC_TUNABLES": "glibc.malloc.check=3:glibc.malloc.tcache_count=0",
    "CFIDDLE_GUEST_WORK": FILES,
    "CFIDDLE_GUEST_CPU_SECONDS": "1e9",
    "DOCKER_HOST": f"unix://{FILES}/socket",
}
MODULE = (
    "import os\nopen('/work/files/loaded.txt', 'a').write(f'{os.getpid()} {os.getuid()} -\\n')\n"
)
PROGRAM = "#!/bin/sh\necho $$ $(id -u) - >>/work/files/loaded.txt\n"
USER = "7000"
RIGHTS = ("0000004000000000", "0000000000000000", "-")
"""CAP_PERFMON, or nothing where counters do not need it."""


def attack(student: Student) -> list[str]:
    """Where code was loaded, other than in the experiment's own process."""
    shutil.copy(Path(__file__).with_name("evil.c"), "evil.c")
    built = cfiddle.build("evil.c")
    for name in ("evil.so", "libpfm.so.4", "libm.so.6", "UTF-32.so"):
        shutil.copy(built[0].lib, name)
    for name in ("json.py", "pickle.py", "sitecustomize.py", "usercustomize.py"):
        Path(name).write_text(MODULE)
    for name in ("python3", "setpriv", "sh", "cfiddle-sandbox"):
        Path(name).write_text(PROGRAM)
        Path(name).chmod(0o755)
    cfiddle_slurm.configure(
        scheduler="slurm", submit="srun", time_limit=20, show_output=False,
        input_files=["*.so*", "*.py", "python3", "setpriv", "sh", "cfiddle-sandbox"],
        output_files=["loaded.txt"],
    )  # fmt: skip
    alone = [{name: value} for name, value in WAYS.items() if name != "LD_LIBRARY_PATH"]
    found = _run(built, "one by one", alone)
    found += _run(built, "other libraries", [{"LD_LIBRARY_PATH": FILES}])
    found += _run(built, "all", [WAYS])
    # Of the notebook's own variables these travel.
    os.environ |= {name: value for name, value in WAYS.items() if name.startswith("CFIDDLE")}
    found += _run(built, "from the notebook", [{}])
    return found + [str(path) for path in Path().rglob("loaded-elsewhere.txt")]


def _run(built: Any, name: str, options: list[dict[str, str]]) -> list[str]:
    loaded = Path("loaded.txt")
    loaded.unlink(missing_ok=True)
    try:
        done = cfiddle.run(built, "ordinary", cfiddle.arg_map(n=1), run_options=options)
        ended = f"values {[one.return_value for one in done]}"
    except cfiddle.CFiddleException as error:
        ended = type(error).__name__
    lines = loaded.read_text().splitlines() if loaded.exists() else []
    print(f"{name}: {ended}, loaded in {lines}")
    return [f"{name}: {line}" for line in lines if not _is_the_experiment(line.split())]


def _is_the_experiment(words: list[str]) -> bool:
    process, user, rights = words
    return process != "1" and user == USER and rights in RIGHTS
