"""Peak memory of the run path's processes for a large input, beside that for a tiny one.

Run from the repository, with the cluster up: ``python -m tests.benchmarks.bench_memory``. Each
process is measured twice in the same call, with a tiny input (the reference) and with 256 MiB; the
growth is what the size costs. Client and sandboxd also bring 256 MiB of output home; the notebook
is a student's process on the user node, and its run takes the whole way. The experiment's process
records a thousand rows of measurements, and a million.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.bundle.archive import Member
from cfiddle_slurm.cluster.hosts.machines import Machine
from cfiddle_slurm.cluster.people import user_node
from tests.sandbox.harness import Experiments, Job, Sandboxd

MIB = 1 << 20
INPUT_BYTES = 256 * MIB
ALLOWED_GROWTH = 64 * MIB
ROWS = {"tiny": 1_000, "large": 1_000_000}
ALLOWED_GROWTH_OF_RECORDS = 2 * MIB
POLICY = """
memory = "2GiB"
work_bytes = "1GiB"
bundle_bytes = "512MiB"
result_bytes = "512MiB"
wall_seconds = 120
"""
NOTEBOOK = """
import json, os, pathlib, tempfile
import cfiddle, cfiddle_slurm
with tempfile.TemporaryDirectory(dir=pathlib.Path.home()) as folder:
    os.chdir(folder)
    with open("input", "wb") as stream:
        for _ in range(MEGABYTES):
            stream.write(os.urandom(1 << 20))
    exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) { return n; }'))
    cfiddle_slurm.configure(scheduler="slurm", input_files=["input"])
    assert cfiddle.run(exe, "f", cfiddle.arg_map(n=5))[0].return_value == 5
    status = pathlib.Path("/proc/self/status").read_text()
    os.chdir("/")
print(json.dumps(int(status.split("VmHWM:")[1].split()[0]) * 1024))
"""


EXPERIMENT = """
import pathlib, sys
from types import SimpleNamespace
from cfiddle_slurm.sandbox.guest.recording import LineRecorder
invocation = object()
with open(sys.argv[1], "wb", buffering=0) as stream:
    recorder = LineRecorder(stream)
    recorder.know({0: invocation})
    for number in range(int(sys.argv[2]) // 100):
        rows = [{"ET": f"{number}.{row}", "cycles": f"{row}{number}"} for row in range(100)]
        result = SimpleNamespace(invocation=invocation, results=rows, return_value=number)
        recorder.record(("result", result))
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


def peak_of_experiment(folder: Path, rows: int) -> int:
    """The peak in bytes of a process that records so many rows, a hundred of each invocation."""
    command = [sys.executable, "-c", EXPERIMENT, str(folder / "records"), str(rows)]
    return int(process.check(command, timeout=300))


def peak_of_notebook(input_bytes: int) -> int:
    """The peak in bytes of a student's process whose run takes so much input along."""
    program = NOTEBOOK.replace("MEGABYTES", str(input_bytes // MIB))
    command = user_node.exec_arguments(
        Machine(), "jovyan", ["python3", "-W", "ignore", "-c", program]
    )
    return int(json.loads(process.check(command, timeout=300).splitlines()[-1]))


def peak_of_process(pid: int) -> int:
    """The most memory that a living process ever held, in bytes (VmHWM, proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no VmHWM")


def measure(folder: Path, experiments: Experiments, input_bytes: int) -> dict[str, int]:
    """Peaks in bytes of one run's client and of a fresh sandboxd that served nothing else."""
    with Sandboxd(folder, POLICY) as daemon:
        daemon.start()
        job = daemon.job(_bundle(folder, experiments, input_bytes))
        client = _peak_of_client(daemon, job)
        if job.kind() != "ok":
            raise RuntimeError(f"the run failed: {job.report()['outcome']}")
        if daemon.process is None:
            raise RuntimeError("sandboxd does not run")
        peaks = {"client": client, "sandboxd": peak_of_process(daemon.process.pid)}
        daemon.stop()
    return peaks


def _bundle(folder: Path, experiments: Experiments, input_bytes: int) -> list[Member]:
    megabytes = input_bytes // MIB
    bundle = experiments.bundle("write_output", megabytes, name="megabytes", outputs=("*.out",))
    big = folder / "input"
    with big.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(MIB))
    return [*bundle, Member("files/input", big)]


def _peak_of_client(daemon: Sandboxd, job: Job) -> int:
    daemon.submit(job)
    if job.process is None:
        raise RuntimeError("the client was not started")
    peak = 0
    # Sampled while it lives: what wait4(2) tells afterwards includes the memory of this process,
    # from which the client was forked.
    while job.process.poll() is None:
        try:
            peak = max(peak, peak_of_process(job.process.pid))
        except (OSError, ValueError):
            continue  # it has just ended
        time.sleep(0.01)
    return peak


def report(name: str, reference: int, large: int, allowed: int = ALLOWED_GROWTH) -> bool:
    """Print one line; whether the growth is within what is allowed."""
    growth = large - reference
    fine = growth < allowed
    print(
        f"{name:10} {reference / MIB:9.1f} {large / MIB:9.1f} {growth / MIB:+9.1f}"
        f"   {'ok' if fine else 'TOO MUCH'}"
    )
    return fine


def main() -> int:
    """Measure and print; 0 if every process stays within ALLOWED_GROWTH."""
    print(f"{'MiB at most':10} {'tiny':>8} {INPUT_BYTES // MIB:>6} MiB {'growth':>9}")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        experiments = Experiments(base)
        tiny = measure(base / "tiny", experiments, 0)
        large = measure(base / "large", experiments, INPUT_BYTES)
        recording = {name: peak_of_experiment(base, rows) for name, rows in ROWS.items()}
    tiny["notebook"], large["notebook"] = peak_of_notebook(0), peak_of_notebook(INPUT_BYTES)
    fine = [report(name, tiny[name], large[name]) for name in tiny]
    print(f"{'MiB at most':10} {ROWS['tiny']:>8} {ROWS['large']:>10} rows")
    fine.append(
        report("experiment", recording["tiny"], recording["large"], ALLOWED_GROWTH_OF_RECORDS)
    )
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
