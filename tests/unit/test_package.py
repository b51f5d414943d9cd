"""What importing the package costs, and what it says when CFiddle is not there."""

import json
import os
import sys
from pathlib import Path

import pytest

import cfiddle_slurm
from cfiddle_slurm import process

ERRORS = {
    "CFiddleSlurmError",
    "Cancelled", "InputError", "ResultRejected", "SandboxRefused", "SettingsError",
    "SubmissionError", "VersionMismatch",
    "ExperimentFailed",
    "CpuTimeLimit", "Crashed", "Exited", "OutOfMemory", "OutputLimit", "RemoteError",
    "ResultLimit", "ScratchFull", "TooManyProcesses", "WallTimeLimit",
    "ClusterTrouble",
    "HomeUnwritable", "JobLost", "NodeFailed", "QueueTimeout", "ResultMissing", "SandboxBusy",
    "SandboxUnavailable", "SchedulerUnavailable", "Withdrawn",
}  # fmt: skip
PUBLIC = ERRORS | {
    "configure", "configured", "job_script", "last_report", "MeasurementWarning", "RunReport",
    "Settings",
    "SlurmSandboxDelegate", "__version__",
}  # fmt: skip
"""What users may rely on: a name more or less is a change of the interface."""


def python(program: str, *options: str, path: Path | None = None) -> process.Completed:
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return process.run([sys.executable, *options, "-c", program], timeout=60, env=environment)


def test_the_import_loads_neither_docker_nor_pandas_nor_a_binding() -> None:
    done = python("import cfiddle_slurm, json, sys; print(json.dumps(sorted(sys.modules)))")
    assert done.status == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"docker", "pandas", "pyslurm", "cfiddle", "rich", "click"}


def test_configuring_loads_no_docker_and_no_binding(tmp_path: Path) -> None:
    done = python(
        "import cfiddle_slurm, sys; cfiddle_slurm.configure(scheduler='slurm');"
        "sys.exit(bool({'docker', 'pyslurm'} & set(sys.modules)))"
    )
    assert done.status == 0, done.stderr


@pytest.mark.parametrize(
    "trouble", ["raise ImportError('no numpy')", "raise FileNotFoundError('gcc')"]
)
def test_a_cfiddle_that_cannot_be_imported_is_named(tmp_path: Path, trouble: str) -> None:
    (tmp_path / "cfiddle").mkdir()
    (tmp_path / "cfiddle" / "__init__.py").write_text(trouble)
    done = python("import cfiddle_slurm; cfiddle_slurm.configure()", path=tmp_path)
    assert done.status == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "cfiddle_slurm needs CFiddle, which cannot be imported here" in last
    assert "gcc on the PATH" in last


def test_the_public_names() -> None:
    assert set(dir(cfiddle_slurm)) == PUBLIC
    assert all(hasattr(cfiddle_slurm, name) for name in dir(cfiddle_slurm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cfiddle_slurm.nothing  # noqa: B018 - that it raises is what is seen


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from cfiddle_slurm import *", names)  # noqa: S102 - star imports are for modules only
    assert set(names) - {"__builtins__"} == PUBLIC
