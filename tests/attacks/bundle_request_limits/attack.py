"""Requests beyond the policy."""

from typing import Any

from tests.attacks.student import Student

INFINITE = float("inf")  # a word that is no JSON, and that Python writes and reads all the same
REQUESTS: dict[str, dict[str, Any]] = {
    "memory": {"memory_bytes": 1 << 50},
    "memory below zero": {"memory_bytes": -1},
    "hardly any memory": {"memory_bytes": 1},
    "wall time": {"wall_seconds": 1e9},
    "endless wall time": {"wall_seconds": INFINITE},
    "no number of a wall time": {"wall_seconds": float("nan")},
    "CPU time below zero": {"cpu_seconds": -0.5},
    "a flag for a number": {"cpu_seconds": True},
    "another image": {"image": "cfiddle-cluster:latest"},
    "an image that is an option": {"image": "--privileged"},
    "a run id that is a path": {"run_id": "../../../../../../etc"},
    "more than there is to ask for": {"privileged": True},
}


def attack(student: Student) -> list[str]:
    """The requests that were not refused."""
    bundle = student.pack(student.good_bundle())
    ways = {what: student.job_directory(bundle, **asked) for what, asked in REQUESTS.items()}
    endless = student.job_directory(bundle)
    request = (endless / "request.json").read_text()
    (endless / "request.json").write_text(
        request.replace('"wall_seconds": 30', '"wall_seconds": 1e999')
    )
    ways["wall time beyond all numbers"] = endless
    return student.not_refused(ways, "refused")
