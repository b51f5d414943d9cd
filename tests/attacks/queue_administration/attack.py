"""None of these is a student's."""

import getpass

from tests.attacks.student import Student


def attack(student: Student) -> list[str]:
    """The commands that did what they say."""
    me = getpass.getuser()
    node = student.command("sinfo", "--noheader", "--format=%n").stdout.split()[0]
    script = str(student.job_directory(None) / "job.sh")
    name = f"--job-name={student.job_name()}"
    ways = [
        ["scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=x"],
        ["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=x"],
        ["scontrol", "update", "PartitionName=cfiddle", "State=DOWN"],
        ["scontrol", "update", "PartitionName=cfiddle", "OverSubscribe=FORCE"],
        ["scontrol", "create", "reservation", f"user={me}", "starttime=now", "duration=60",
         f"nodes={node}"],
        ["scontrol", "delete", f"NodeName={node}"],
        ["scontrol", "create", "NodeName=evil", "CPUs=1", "State=CLOUD"],
        ["scontrol", "reconfigure"],
        ["scontrol", "shutdown"],
        ["scontrol", "takeover"],
        ["scontrol", "setdebug", "debug5"],
        ["scontrol", "reboot", node],
        ["sacctmgr", "--immediate", "modify", "user", me, "set", "AdminLevel=Admin"],
        ["sacctmgr", "--immediate", "modify", "user", me, "set", "MaxSubmitJobs=100000"],
        ["sacctmgr", "--immediate", "modify", "user", me, "set", "Fairshare=1000"],
        ["sacctmgr", "--immediate", "add", "account", "mine"],
        ["sacctmgr", "--immediate", "delete", "user", "test_user2"],
        ["sbatch", "--uid=0", name, script],
        ["sbatch", "--uid=test_user2", name, script],
        ["sbatch", "--account=root", name, script],
        ["sbatch", "--reservation=any", name, script],
        ["sbatch", "--nice=-1000", name, script],
    ]  # fmt: skip
    return [" ".join(words) for words in ways if worked(student, words)]


def worked(student: Student, words: list[str]) -> bool:
    """Whether a command did something; sacctmgr says so even where its status is 0."""
    done = student.command(*words, seconds=20)
    said = done.stdout + done.stderr
    return done.returncode == 0 and "privilege" not in said and "denied" not in said
