"""How much one account may have in its home: user quotas of the homes' file system."""

import csv
import io
from collections.abc import Iterable, Mapping

from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import accounts
from cfiddle_slurm.cluster.services import stack
from cfiddle_slurm.cluster.site.config import Config

_SECONDS = 300.0
_BYTES_PER_FILE = 4096
# It ends with 4 where no quota is in force, and says why.
_IN_FORCE = r"""
mount=$(df --output=target -- "$1" | tail -n 1)
options=$(awk -v place="$mount" '$2 == place { found = $4 } END { print found }' /proc/mounts)
# With `uqnoenforce` and the like a file system counts, and refuses nothing (xfs(5)).
case ",$options," in *,usrquota,* | *,uquota,* | *,usrjquota=*,* | *,quota,*) ;; *)
    echo "the file system $mount has no user quotas: mount it with the option usrquota"; exit 4 ;;
esac
for program in setquota repquota; do command -v $program >/dev/null || {
    echo "the program $program is missing there: install the package quota"; exit 4
}; done
shift
"""
_APPLY = (
    _IN_FORCE
    + r"""
kib=$1 files=$2; shift 2
for uid; do setquota -u "$uid" 0 "$kib" 0 "$files" "$mount" || exit; done
"""
)
_REPORT = _IN_FORCE + 'exec repquota -u -n -O csv "$mount"\n'
FACTS = r"""
homes=$(docker volume inspect --format '{{.Mountpoint}}' cfiddle_home 2>/dev/null)
[ "$2" = volume ] || homes=$1
mount=$(df --output=target -- "$homes" 2>/dev/null | tail -n 1)
say home_disk "$mount"
say home_options "$(awk -v place="$mount" \
    '$2 == place { found = $4 } END { print found }' /proc/mounts)"
say docker_disk "$(df --output=target -- "$place" 2>/dev/null | tail -n 1)"
"""
"""What `check` asks a machine; it has said before where Docker's folder is, and its
arguments are the folder of the homes and their kind."""


def place(head: Machine, config: Config) -> str:
    """The folder of the homes on the head; empty where another machine has them.

    Raises:
        MachineError: Docker does not answer.
    """
    if config.home == "volume":
        return head.docker("volume", "inspect", "--format={{.Mountpoint}}", stack.HOME_VOLUME)
    return "" if config.nfs_server else config.home_path


def apply(head: Machine, config: Config, uids: Iterable[int]) -> str:
    """Limit these accounts, if the cluster's file says so.

    Returns:
        Why there is no limit although there should be one: a sentence, or nothing.

    Raises:
        MachineError: the head does not answer.
    """
    if not config.home_quota:
        return ""
    folder = place(head, config)
    if not folder:
        return (
            f"home_quota is not in force: the homes are on {config.nfs_server}, and only that"
            " server can limit them."
        )
    sizes = str(config.home_quota // 1024), str(config.home_quota // _BYTES_PER_FILE)
    done = head.shell(_APPLY, folder, *sizes, *map(str, uids), timeout=_SECONDS)
    if done.status != 0:
        return f"home_quota is not in force: {done.last_words}."
    return ""


def usage(head: Machine, config: Config) -> dict[str, int]:
    """Bytes by account: from the quotas where there are any, else counted for at most two minutes.

    Raises:
        MachineError: the homes cannot be read.
    """
    folder = place(head, config)
    done = head.shell(_REPORT, folder, timeout=_SECONDS) if folder else None
    if done is None or done.status != 0:
        return accounts.usage(head)
    used = parse_report(done.stdout)
    return {one.name: used[one.uid] for one in accounts.listed(head) if one.uid in used}


def parse_report(text: str) -> dict[int, int]:
    """Bytes by uid in what ``repquota -n -O csv`` prints (repquota(8)). Pure."""
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        uid, used = (row.get("User") or "").removeprefix("#"), row.get("BlockUsed") or ""
        if uid.isdecimal() and used.isdecimal():
            found[int(uid)] = int(used) * 1024
    return found


def judged(facts: Mapping[str, str], config: Config) -> tuple[bool, str, str]:
    """Whether a home is limited: is it fine, what was found, how to mend it. Pure."""
    home, options = facts.get("home_disk", ""), facts.get("home_options", "").split(",")
    if config.nfs_server:
        return True, f"{config.nfs_server}'s", ""
    if not home:
        return True, "the folder is not there yet", ""
    kinds = ("usrquota", "uquota", "quota")
    if any(one in kinds or one.startswith("usrjquota=") for one in options):
        if config.home_quota:
            return True, f"in force on {home}", ""
        return (
            False,
            "possible, but not set",
            'Set a limit per account in cluster.toml: home_quota = "10GiB".',
        )
    if home == facts.get("docker_disk"):
        return (False, f"none on {home}, which Docker and the database use, too",
                "One account can fill it: give the homes one with user quotas.")  # fmt: skip
    return False, f"none on {home}", "One account can fill it: mount it with the option usrquota."
