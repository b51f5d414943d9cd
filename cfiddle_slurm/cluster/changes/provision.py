"""What machines need before they can be a cluster: an engine, the account, the shared home."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cfiddle_slurm.cluster.hosts.fleet import Fleet
from cfiddle_slurm.cluster.hosts.machines import Machine, all_of, head_of
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.ids import CFIDDLE

_SECONDS = 900.0
_ACCOUNT = """
set -eu
id=$1
if entry=$(getent passwd "$id"); then
    [ "${entry%%:*}" = cfiddle ] || { echo "uid $id belongs to ${entry%%:*}" >&2; exit 1; }
else
    if entry=$(getent group "$id"); then
        [ "${entry%%:*}" = cfiddle ] || { echo "gid $id belongs to ${entry%%:*}" >&2; exit 1; }
    else
        groupadd --gid "$id" cfiddle
    fi
    useradd --uid "$id" --gid "$id" --no-create-home --home-dir /nonexistent \\
        --shell /usr/sbin/nologin cfiddle
    echo made
fi
"""
# With 1 a process counts what it does itself, in the kernel too, and needs no capability for it.
# Where the machine does not let it be set, the sandboxes have CAP_PERFMON, as they need it then.
# But with 1 /proc/kallsyms tells everybody the kernel's addresses, unless kptr_restrict forbids it
# (kernel/ksyms_common.c).
_COUNTERS = """
set -u
place=/proc/sys/kernel
level=$(cat "$place/perf_event_paranoid" 2>/dev/null) || { echo "no perf events"; exit 0; }
file=/etc/sysctl.d/60-cfiddle.conf
set_to_1() {
    mkdir -p "${file%/*}" && echo "kernel.$1 = 1" >>"$file"
    { echo 1 >"$place/$1"; } 2>/dev/null || echo "$1 cannot be set" >&2
}
hidden=$(cat "$place/kptr_restrict")
case "$level $hidden" in "0 "[12] | "1 "[12]) ;; *) rm -f "$file" ;; esac
case "$hidden" in 1 | 2) ;; *) set_to_1 kptr_restrict ;; esac
case "$level" in 0 | 1) ;; *) set_to_1 perf_event_paranoid ;; esac
echo "perf_event_paranoid is $(cat "$place/perf_event_paranoid")"
"""
_EXPORT = """
set -eu
folder=$1 line=$2
mkdir -p "$folder"
export DEBIAN_FRONTEND=noninteractive
if ! dpkg -s nfs-kernel-server >/dev/null 2>&1; then
    apt-get -qq update
    apt-get -qq install --yes nfs-kernel-server >/dev/null
fi
mkdir -p /etc/exports.d
file=/etc/exports.d/cfiddle.exports
[ "$(cat "$file" 2>/dev/null)" = "$line" ] && exit 0
printf '%s\\n' "$line" >"$file"
# What is not in force must not be taken for it the next time.
exportfs -ra || { status=$?; rm -f "$file"; exit "$status"; }
echo exported
"""


def all_machines(config: Config, say: Callable[[str], None]) -> None:
    """Prepare each machine of a cluster, all at once.

    Raises:
        Incomplete: the head is prepared, but not all others.
        MachineError: the head cannot be prepared.
    """
    head, *workers = all_of(config)
    others = Fleet(workers, say)
    with ThreadPoolExecutor(1) as pool:
        at_head = pool.submit(machine, head, config, say)
        others.each(lambda each: machine(each, config, say))
        at_head.result()
    others.finish("The rest is prepared.")


def machine(each: Machine, config: Config, say: Callable[[str], None]) -> None:
    """Prepare one machine; what it has already is left as it is.

    Raises:
        MachineError: it cannot be prepared.
    """
    engine = (kit.folder("cluster") / "engine.sh").read_text(encoding="utf-8")
    said = each.check_shell(engine, "up", timeout=_SECONDS)
    say(f"{each}: {said.splitlines()[-1]}")
    if each != head_of(config) or not config.workers:
        say(f"{each}: {each.check_shell(_COUNTERS)}")
    if each != head_of(config):
        made = each.check_shell(_ACCOUNT, str(CFIDDLE))
        say(f"{each}: account cfiddle ({CFIDDLE}) {made or 'is there'}")
    elif config.home == "nfs" and not config.nfs_server:
        done = each.check_shell(_EXPORT, config.home_path, export_line(config), timeout=_SECONDS)
        say(f"{each}: {config.home_path} {done or 'is exported'}")
    elif config.home == "bind":
        each.check_shell('mkdir -p "$1"', config.home_path)


def export_line(config: Config) -> str:
    """The line of exports(5) for the homes: for the workers, whose root is nobody there."""
    options = "rw,sync,root_squash,no_subtree_check"
    clients = " ".join(f"{worker}({options})" for worker in config.workers)
    return f'"{config.home_path}" {clients}'
