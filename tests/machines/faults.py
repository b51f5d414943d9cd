"""The faults: what is done to the machines while a run is on its way, and how it is mended."""

import re

from tests.machines import full_disk
from tests.machines.harness import HOME_SIZE
from tests.machines.scene import Fault, Scene
from tests.machines.stages import JOBS
from tests.patience import wait_for


class Killed(Fault):
    """A program is killed; whoever looks after it starts it again.

    Args:
        where: the machine; empty for each worker that has a run.
        pattern: pkill(1)'s words that find it there, and nothing else.
    """

    def __init__(self, name: str, where: str, *pattern: str) -> None:
        super().__init__(name)
        self._where, self._pattern = where, pattern

    def inject(self, scene: Scene) -> None:
        workers = sorted({run.node for run in scene.runs if run.node})
        for name in [self._where] if self._where else workers:
            scene.machines.on(name, "pkill", "-KILL", *self._pattern)


class ClientKilled(Killed):
    """The job's only program is killed: it exists from the job's start on."""

    groups = (("starting", "returning"), ("running",))


class ControllerKilled(Killed):
    """The controller is killed with what it has not yet told others.

    Its successor may know the run as one that waits, and has it killed when the worker registers:
    the run takes longer than that.
    """

    accounted = False
    nap = 10_000


class NotebookKilled(Fault):
    """The student's own process is killed; nobody waits for its runs any more."""

    outcome = "nothing left"

    def inject(self, scene: Scene) -> None:
        scene.notebook.kill()


class HomeFull(Fault):
    """The shared home has no room left."""

    groups = (("staged",), ("returning",))
    staging = True

    def inject(self, scene: Scene) -> None:
        scene.shell("head", "mount -o remount,size=$(df -k --output=used /srv/home | tail -n 1 |"
                            " tr -d ' ')k /srv/home")  # fmt: skip

    def mend(self, scene: Scene) -> None:
        scene.shell("head", f"mount -o remount,size={HOME_SIZE} /srv/home")


class HomeReadOnly(Fault):
    """The shared home takes no change. A file system with open files cannot be mounted so, which
    is why a run's directory is made immutable instead when the run is there already."""

    groups = (("staged",), ("returning",))
    staging = True
    keeps = False

    def _directories(self, scene: Scene) -> list[str]:
        return [f"{JOBS}/{run.run_id}" for run in scene.runs if run.run_id]

    def inject(self, scene: Scene) -> None:
        there = self._directories(scene)
        scene.machines.on("head", *(["chattr", "+i", *there] if there else
                                    ["mount", "-o", "remount,ro", "/srv/home"]))  # fmt: skip

    def mend(self, scene: Scene) -> None:
        scene.machines.on("head", "mount", "-o", "remount,rw", "/srv/home")
        there = self._directories(scene)
        if there:
            scene.machines.on("head", "chattr", "-i", *there)


class ResultLate(Fault):
    """The user node sees for a while what a run's directory was, as with a stale cache of NFS."""

    groups = (("returning",),)

    def _place(self, scene: Scene) -> str:
        return f"{JOBS}/{scene.runs[0].run_id}".replace("/srv", "", 1)

    def inject(self, scene: Scene) -> None:
        place = self._place(scene)
        stale = f"{place}.stale"
        scene.machines.inside(
            "head", "user", f"cp -a {place} {stale} && mount --bind {stale} {place}"
        )

    def go_on(self, scene: Scene) -> None:
        wait_for(lambda: not scene.queue(), "the job has ended")
        place = self._place(scene)
        scene.machines.inside("head", "user", f"umount --lazy {place}; rm -r {place}.stale")


class ClockOff(Fault):
    """A machine's clock is ten minutes behind: for munge, and for whoever logs in there.

    Args:
        where, service: the machine, and its service that believes in that clock.
    """

    early = ("staged",)

    def __init__(self, name: str, where: str, service: str, stage: str) -> None:
        super().__init__(name)
        self._where, self._service = where, service
        self.groups = ((stage,),)

    def inject(self, scene: Scene) -> None:
        # The user node's accounts have a munged of their own, behind a door.
        service = "munge_user" if self._service == "user" else "munge"
        munge = scene.machines.container(self._where, service)
        library = "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1"
        scene.shell(self._where, f"""
            set -e
            docker cp --quiet --follow-link {library} {munge}:/faketime.so
            docker exec {munge} install -d -o munge -g munge -m 0755 /run/munge/off
            docker exec --detach --user munge --env LD_PRELOAD=/faketime.so --env FAKETIME=-10m \\
                {munge} munged --foreground --force --socket=/run/munge/off/socket \\
                --pid-file=/run/munge/off/pid --seed-file=/run/munge/off/seed
            place=/var/lib/docker/volumes/cfiddle_{service}/_data/off/socket
            until [ -S "$place" ]; do sleep 0.1; done
            echo -10m >/etc/faketimerc
            echo {library} >/etc/ld.so.preload
        """)  # fmt: skip
        scene.machines.inside(self._where, self._service,
                     "mount --bind /run/munge/off/socket /run/munge/munge.socket.2")  # fmt: skip

    def go_on(self, scene: Scene) -> None:
        off = [each for each in scene.machines.status()["machines"] if each["clock_off"] > 500]
        assert [each["name"] for each in off] == [self._where], "`status` names the clock"
        told = scene.machines.cluster("check")
        assert told.status == 2 and re.search(r"clock\W+\d{3} s off", told.stdout), told.stdout

    def mend(self, scene: Scene) -> None:
        scene.shell(self._where, "rm -f /etc/ld.so.preload /etc/faketimerc;"
                                 " pkill -f 'munged .*off/[s]ocket'")  # fmt: skip
        scene.machines.inside(self._where, self._service, "umount --lazy /run/munge/munge.socket.2")
        if self._service == "worker":
            # As an administrator would: what it had to say meanwhile was refused, and is lost.
            scene.machines.on(self._where, "pkill", "-KILL", "-f", "^slurmd -D")


class ImageGone(Fault):
    """A worker loses the sandbox's image (``docker system prune``); somebody brings it back."""

    def inject(self, scene: Scene) -> None:
        scene.machines.on("w1", "docker", "image", "rm", "--force", "cfiddle-sandbox:latest")

    def mend(self, scene: Scene) -> None:
        scene.machines.check("images", "push")


class StateFull(Fault):
    """The disk on which the controller keeps its state has no room left."""

    groups = (("staged",), ("running",))
    _PLACE = "/var/lib/slurm"

    def inject(self, scene: Scene) -> None:
        scene.machines.inside("head", "controller", full_disk.FILL.format(place=self._PLACE))

    def mend(self, scene: Scene) -> None:
        scene.machines.inside("head", "controller", full_disk.EMPTY.format(place=self._PLACE))


class ReplyLost(Fault):
    """sbatch submits, and its answer does not come back."""

    groups = (("submitted",),)

    def __init__(self, name: str, then: str) -> None:
        super().__init__(name)
        self.sbatch = f'#!/bin/sh\n/usr/bin/sbatch "$@" >/dev/null\n{then}'


class CutOff(Fault):
    """A worker is cut off from the network, and comes back."""

    groups = (("queued",), ("running",), ("returning",))
    early = ("queued",)
    _CHAINS = (("INPUT", "-i"), ("OUTPUT", "-o"))

    def inject(self, scene: Scene) -> None:
        for chain, option in self._CHAINS:
            scene.machines.on("w1", "iptables", "-I", chain, option, "eth0", "-j", "DROP")

    def mend(self, scene: Scene) -> None:
        for chain, option in self._CHAINS:
            scene.shell("w1", f"iptables -D {chain} {option} eth0 -j DROP || true")

    def go_on(self, scene: Scene) -> None:
        if scene.runs[0].stage == "":
            # It is back when Slurm has tried to start the job there.
            wait_for(lambda: " w1" in scene.queue(), "the job is on the worker")
            self.mend(scene)


_LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
FAULTS: tuple[Fault, ...] = (
    ClientKilled("client killed", "", "-f", "cfiddle-sandbox run"),
    Killed("sandboxd killed", "", "-f", "cfiddle_slurm[.]sandbox[.]daemon"),
    Killed("dockerd killed", "", "-x", "dockerd"),
    Killed("slurmd killed", "", "-f", "^slurmd -D"),
    ControllerKilled("slurmctld killed", "head", "-f", "^slurmctld -D"),
    Killed("slurmdbd killed", "head", "-f", "^slurmdbd -D"),
    Killed("database killed", "head", "-x", "mariadbd"),
    NotebookKilled("notebook killed"),
    HomeFull("home full"),
    HomeReadOnly("home read-only"),
    ResultLate("result seen late"),
    ClockOff("worker's clock off", "w1", "worker", "running"),
    ClockOff("user node's clock off", "head", "user", "staged"),
    ReplyLost("sbatch's answer lost", f"echo '{_LOST}' >&2; exit 1"),
    ReplyLost("sbatch hangs", "exec sleep 600"),
    CutOff("worker cut off"),
    ImageGone("sandbox image gone"),
    StateFull("state's disk full"),
)
