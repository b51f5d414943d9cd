"""What was checked at submission must be what runs."""

from tests.attacks.student import Student

CHANGES = (
    "TimeLimit=UNLIMITED", "NumNodes=2", "Name=mine", "Priority=4000000000", "Nice=-100000",
    "Partition=root", "Account=root", "UserID=root", "QOS=high", "ReqNodeList=controller",
    "StdOut=/etc/passwd", "Shared=yes", "Contiguous=yes", "Requeue=1", "Features=x", "Gres=gpu:1",
    "BatchHost=controller", "Dependency=after:1", "StartTime=now", "Deadline=2099-01-01",
)  # fmt: skip


def attack(student: Student) -> list[str]:
    """The changes that were accepted, and whether a changed script ran."""
    folder = student.job_directory(student.pack(student.good_bundle()))
    done = student.submit(folder, "--begin=now+2")
    job = done.stdout.strip()
    changed = [
        change
        for change in CHANGES
        if student.command("scontrol", "update", f"JobId={job}", change).returncode == 0
    ]
    diary = student.folder / "diary"
    (folder / "job.sh").write_text(f"#!/bin/sh\necho own script >'{diary}'\n")
    report = student.report(folder)
    print(report.get("outcome"))
    if diary.exists():
        changed.append("the script")
    return changed
