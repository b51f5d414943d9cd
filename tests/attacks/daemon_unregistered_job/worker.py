"""In the student's own allocation."""

import json
import os
import sys

from tests.attacks.caller import RELEASE, ask, frame, hello

MINE = int(os.environ["SLURM_JOB_ID"])
IDS: list[object] = [
    *sys.argv[1:], str(MINE - 1), str(MINE + 1), "1", "999999", "0", "-1", "", f"0{MINE}",
    f" {MINE}", f"{MINE}\n", f"../jobs/{MINE}", f".{MINE}", f"{MINE}/.", f"{MINE}\0", "*", "²",
    "9" * 5000, MINE, None, [str(MINE)], {"id": str(MINE)}, True, 1e308,
]  # fmt: skip


def main() -> None:
    """Print the ids that were not refused."""
    held = []
    for job_id in IDS:
        print(f"{job_id!r:.60}")
        if job_id is not None and ask(hello(job_id)) != "refused":
            held.append(f"run of {job_id!r:.60}")
        if ask(frame(RELEASE, json.dumps({"job_id": job_id}).encode())) != "refused":
            held.append(f"release of {job_id!r:.60}")
    print(json.dumps(held))


if __name__ == "__main__":
    main()
