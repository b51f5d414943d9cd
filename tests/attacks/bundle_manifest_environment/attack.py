"""Bundles whose manifest holds an environment for others than the experiment."""

import json

from tests.attacks.student import Student

# In every process that this library is loaded into, the guest's too if that obeyed the loader's
# variables. It spins, to see whether the limit of the CPU time is still there.
SOURCE = """
#include <cstdio>
#include <cstdlib>
#include <unistd.h>
__attribute__((constructor)) static void loaded() {
    fprintf(stderr, "loaded into %d\\n", getpid());
}
extern "C" long attack(long n) {
    if (getenv("LD_PRELOAD"))
        for (;;)
            n++;
    _exit(3);
}
"""
IMPOSSIBLE = [{"": "x"}, {"A=B": "x"}, {"A\0B": "x"}, {"A": "x\0y"}, {"A": "\ud800"}]


def attack(student: Student) -> list[str]:
    """What went wrong."""
    good = student.good_bundle(SOURCE)
    manifest = json.loads(good["manifest.json"])
    library = next(name for name in good if name.startswith("libs/"))

    def with_environment(environment: dict[str, str]) -> bytes:
        changed = json.dumps({**manifest, "environment": environment}).encode()
        return student.pack({**good, "manifest.json": changed})

    everything = {
        "LD_PRELOAD": f"/work/{library}",
        "LD_AUDIT": f"/work/{library}",
        "LD_LIBRARY_PATH": "/work/files",
        "PATH": "/work/files",
        "PYTHONHOME": "/work/files",
        "PYTHONPATH": "/work/files",
        "HOME": "/",
        "CFIDDLE_GUEST_WORK": "/",
        "CFIDDLE_GUEST_CPU_SECONDS": "1000000",
        "CFIDDLE_SLURM_SOCKET": "/work/files/socket",
    }
    folder = student.job_directory(with_environment(everything), cpu_seconds=1)
    report = student.run_directory(folder)
    said, printed = report.get("outcome", {}), report.get("printed", "")
    print(f"everything: {said}\n{printed[:500]}")
    wrong = [] if said.get("kind") == "cpu_time" else [f"everything: {said}"]
    if "loaded into 1\n" in printed or "loaded" not in printed:
        wrong.append(f"everything: {printed[:500]}")
    ways = {repr(one): with_environment(one) for one in IMPOSSIBLE}
    return wrong + student.not_refused(ways, sentence="variable")
