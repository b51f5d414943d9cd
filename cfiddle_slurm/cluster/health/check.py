"""`check`: whether machines are fit for a cluster, and how to fix what is not."""

import enum
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cfiddle_slurm.cluster.hosts.conversations import Obstacle
from cfiddle_slurm.cluster.hosts.machines import (
    Machine,
    MachineError,
    Unreachable,
    all_of,
    head_of,
    try_each,
)
from cfiddle_slurm.cluster.people import quotas
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.ids import NAMES

OLDEST_DOCKER = 23
_KNOWN_SYSTEMS = ("debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04")
_PORTS = ("2377/tcp", "7946/tcp", "7946/udp", "4789/udp")
_LEAST_DISK_MB, _SCANT_DISK_MB = 3_000, 10_000
MOST_SKEW_SECONDS = 30.0
"""munge takes credentials of at most 300 s of age; the half of that half leaves room to drift."""
_SCRIPT = (
    r"""
say() { printf '%s=%s\n' "$1" "$2"; }
[ -r /etc/os-release ] && . /etc/os-release
say system "${ID:-unknown} ${VERSION_ID:-}"
say uid "$(id -u)"
say docker "$(docker version --format '{{.Server.Version}}' 2>/dev/null)"
if ! command -v dockerd >/dev/null; then say engine missing
elif grep -qsE '"live-restore" *: *true' /etc/docker/daemon.json; then say engine live-restore
else say engine installed
fi
say swarm "$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)"
say ports "$({ ss -Hlnt 2>/dev/null | awk '{print $4 "/tcp"}'; \
    ss -Hlnu 2>/dev/null | awk '{print $4 "/udp"}'; } | sed 's/.*://' | sort -u | tr '\n' ' ')"
say clock "$(date +%s.%N)"
place=$(docker info --format='{{.DockerRootDir}}' 2>/dev/null)
[ -d "$place" ] || place=/var/lib/docker; [ -d "$place" ] || place=/
say disk_mb "$(df --output=avail -BM "$place" | tail -n 1 | tr -dc 0-9)"
for id in """
    + " ".join(map(str, NAMES))
    + r"""; do
    say "uid_$id" "$(getent passwd $id | cut -d: -f1)"
    say "gid_$id" "$(getent group $id | cut -d: -f1)"
done
say nfs "$({ grep -qw nfs4 /proc/filesystems || modprobe -n nfs; } 2>/dev/null && echo yes)"
say nfsd "$({ grep -qw nfsd /proc/filesystems || modprobe -n nfsd; } 2>/dev/null && echo yes)"
say cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1) x$(nproc)"
say paranoid "$(cat /proc/sys/kernel/perf_event_paranoid 2>/dev/null)"
say pmu "$(ls -d /sys/bus/event_source/devices/cpu /sys/bus/event_source/devices/cpu_core \
    /sys/bus/event_source/devices/armv8* 2>/dev/null | head -n 1)"
say home "$([ -d "$1" ] && echo yes)"
"""
    + quotas.FACTS
)


class Level(enum.IntEnum):
    """How bad a finding is; also the exit status."""

    FINE = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True)
class Finding:
    """One row of the table: what was looked at where, what was found, how to mend it."""

    machine: str
    what: str
    level: Level
    found: str
    mend: str = ""


def run(config: Config) -> list[Finding]:
    """Look at all machines, at once."""
    reached, failed = try_each(all_of(config), lambda machine: _facts(machine, config))
    findings = [_out_of_reach(machine, error) for machine, error in failed.items()]
    workers = {}
    for machine, facts in reached.items():
        is_head = machine == head_of(config)
        findings += findings_of(str(machine), facts, config, is_head=is_head)
        if measures(config, is_head=is_head):
            workers[str(machine)] = facts
    return findings + (alike(workers) if config.workers else [])


def measures(config: Config, *, is_head: bool) -> bool:
    """Whether a machine measures: a worker does, and a head that has none."""
    return not is_head or not config.workers


def _facts(machine: Machine, config: Config) -> dict[str, str]:
    before = time.time()
    done = machine.shell(_SCRIPT, config.home_path, config.home, timeout=60)
    if done.status != 0:
        raise MachineError(done.last_words)
    facts = parse(done.stdout)
    # It was read somewhere between the question and the answer.
    facts["skew"] = str(skew(facts.get("clock", ""), before, time.time()))
    return facts


def _out_of_reach(machine: Machine, error: Exception) -> Finding:
    mend = "Make `ssh` work without a password, and sudo where ssh_user is not root."
    found = error.obstacle if isinstance(error, Unreachable) else Obstacle(str(error), mend)
    return Finding(str(machine), "ssh", Level.FAILURE, found.what, found.mend)


def parse(text: str) -> dict[str, str]:
    """The facts in what the script prints."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def skew(clock: str, before: float, after: float) -> float:
    """By how many seconds a clock is surely wrong, which was read between two times."""
    try:
        there = float(clock)
    except ValueError:
        return 0.0
    return max(0.0, before - there, there - after)


def findings_of(
    machine: str, facts: Mapping[str, str], config: Config, *, is_head: bool
) -> list[Finding]:
    """What one machine's facts mean. Pure."""
    rows = {
        "ssh": _fine("reached"),
        "root": _root(facts, config),
        "system": _system(facts),
        "Docker": _docker(facts),
        "swarm ports": _ports(facts),
        "clock": _clock(facts),
        "disk": _disk(facts),
        "ids": _ids(facts),
    }
    if measures(config, is_head=is_head):
        rows |= {"perf events": _perf(facts), "hardware counters": _pmu(facts)}
    rows["home"] = _home(facts, config, is_head=is_head)
    if is_head:
        fine, found, mend = quotas.judged(facts, config)
        rows["home quota"] = Level.FINE if fine else Level.WARNING, found, mend
    return [Finding(machine, what, *row) for what, row in rows.items()]


_Row = tuple[Level, str, str]


def _fine(found: str) -> _Row:
    return Level.FINE, found, ""


def _root(facts: Mapping[str, str], config: Config) -> _Row:
    if facts.get("uid") == "0":
        return _fine(f"as {config.ssh_user}")
    mend = 'Use ssh_user = "root", or allow sudo without a password.'
    return Level.FAILURE, f"{config.ssh_user} is not root", mend


def _system(facts: Mapping[str, str]) -> _Row:
    system = facts.get("system", "")
    if system.startswith(_KNOWN_SYSTEMS):
        return _fine(system)
    mend = f"Tested on {', '.join(_KNOWN_SYSTEMS)}; else install Docker by hand."
    return Level.WARNING, system, mend


def _docker(facts: Mapping[str, str]) -> _Row:
    version = facts.get("docker", "")
    if facts.get("engine") == "live-restore":
        return (Level.FAILURE, "live-restore is on, and a swarm does not work with it",
                "Remove it from /etc/docker/daemon.json, and restart Docker.")  # fmt: skip
    if not version and facts.get("engine") == "installed":
        return (Level.WARNING, "installed, but no engine answers",
                "See `systemctl status docker`; `provision` starts it.")  # fmt: skip
    if not version:
        return Level.WARNING, "no engine answers", "`provision` installs one."
    major = version.split(".")[0]
    if major.isdecimal() and int(major) >= OLDEST_DOCKER:
        return _fine(version)
    mend = f"Upgrade it: {OLDEST_DOCKER} is the first that knows CAP_PERFMON."
    return Level.FAILURE, version, mend


def _ports(facts: Mapping[str, str]) -> _Row:
    if facts.get("swarm") == "active":
        return _fine("used by the swarm that it is in")
    taken = sorted(set(_PORTS) & set(facts.get("ports", "").split()))
    if not taken:
        return _fine("free")
    return Level.FAILURE, f"{', '.join(taken)} taken", "Stop what listens there (`ss -lnptu`)."


def _clock(facts: Mapping[str, str]) -> _Row:
    seconds = float(facts.get("skew", "0"))
    if seconds <= MOST_SKEW_SECONDS:
        return _fine(f"{seconds:.0f} s off at most")
    mend = "Install chrony or systemd-timesyncd: munge refuses wrong clocks."
    return Level.FAILURE, f"{seconds:.0f} s off", mend


def _disk(facts: Mapping[str, str]) -> _Row:
    free = int(facts.get("disk_mb") or 0)
    found = f"{free / 1000:.0f} GB free"
    if free >= _SCANT_DISK_MB:
        return _fine(found)
    level = Level.WARNING if free >= _LEAST_DISK_MB else Level.FAILURE
    return level, found, "Free some: the images take 2 GB, and a build 3 GB."


def _ids(facts: Mapping[str, str]) -> _Row:
    taken = [
        f"{kind} {number} is {owner}"
        for number, ours in NAMES.items()
        for kind in ("uid", "gid")
        if (owner := facts.get(f"{kind}_{number}", "")) not in ("", ours)
    ]
    if not taken:
        return _fine("7000 and 7101 to 7103 are free or ours")
    return Level.FAILURE, "; ".join(taken), "Give these accounts other ids."


def _perf(facts: Mapping[str, str]) -> _Row:
    # The kernel lets CAP_PERFMON pass at each level it knows (perf_event_open(2): -1 to 2); of what
    # distributions add above 3 that is not sure.
    level = facts.get("paranoid", "")
    if not level:
        return Level.FAILURE, "the kernel has none", "Use a kernel with perf events."
    found = f"perf_event_paranoid is {level}"
    if level.lstrip("-").isdecimal() and int(level) >= 4:
        return Level.WARNING, found, "sysctl kernel.perf_event_paranoid=3"
    if level == "-1":
        return (Level.WARNING, f"{found}: experiments see what other processes do",
                "sysctl kernel.perf_event_paranoid=1")  # fmt: skip
    how = "without a capability" if level in ("0", "1") else "with CAP_PERFMON"
    return _fine(f"{found}: counters {how}")


def _pmu(facts: Mapping[str, str]) -> _Row:
    if facts.get("pmu"):
        return _fine("there")
    return (Level.WARNING, "none (no PMU)",
            "Experiments can count page faults and the like, but not cycles or cache misses."
            " In a virtual machine, have the host pass its PMU through.")  # fmt: skip


def _home(facts: Mapping[str, str], config: Config, *, is_head: bool) -> _Row:
    if config.home == "nfs":
        kind = "nfsd" if is_head and not config.nfs_server else "nfs"
        if facts.get(kind) == "yes":
            return _fine(f"the kernel knows {kind}")
        other = "bind" if config.workers else "volume"
        mend = f'Use a kernel with NFS, or home = "{other}".'
        return Level.FAILURE, f"the kernel has no {kind}", mend
    if config.home == "bind" and facts.get("home") != "yes":
        return Level.FAILURE, f"{config.home_path} is not there", "Mount the shared folder there."
    return _fine(config.home)


def alike(workers: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    """Whether all workers have the same processor. Pure."""
    models = {name: facts.get("cpu", "") for name, facts in workers.items()}
    if not models:
        return []
    usual = Counter(models.values()).most_common(1)[0][0]
    odd = {name: model for name, model in models.items() if model != usual}
    return [
        Finding(name, "processor", Level.WARNING, f"{model}; the others: {usual}",
                "Times will differ between them; separate them with `constraint`.")
        for name, model in odd.items()
    ] or [Finding("all workers", "processor", Level.FINE, usual)]  # fmt: skip


def verdict(findings: Iterable[Finding]) -> Level:
    """The worst of all."""
    return max((finding.level for finding in findings), default=Level.FINE)
