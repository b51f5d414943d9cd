"""The user node's Python: what is changed of modules when they are imported, and what is not."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm import process

HOOKS = Path(__file__).parents[2] / "cluster" / "sitecustomize.py"
START = f"""
import importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("sitecustomize", {str(HOOKS)!r})
hooks = importlib.util.module_from_spec(spec)
sys.modules["sitecustomize"] = hooks
spec.loader.exec_module(hooks)
"""


def python(program: str, tmp_path: Path, **variables: str) -> Any:
    environment = {
        **os.environ, "HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **variables,
    }  # fmt: skip
    done = process.run([sys.executable, "-c", START + program], timeout=120, env=environment)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    program = """
print(json.dumps([name for name in sys.modules if name.startswith(("cfiddle", "jupyter", "zmq"))]))
"""
    assert python(program, tmp_path) == []


RUN = """
import cfiddle
early = "cfiddle_slurm.backend" in sys.modules
{own}
exe = cfiddle.build(cfiddle.code('extern "C" int f(int n) {{ return n; }}'))
value = cfiddle.run(exe, "f", cfiddle.arg_map(n=3))[0].return_value
import cfiddle_slurm
report = cfiddle_slurm.last_report()
print(json.dumps([early, value, report and report.scheduler]))
"""


@pytest.mark.parametrize(
    ("own", "scheduler"),
    [
        ("", "local"),
        ("import cfiddle_slurm; cfiddle_slurm.configure()", "local"),
        ("from cfiddle.Runner import SubprocessDelegate as S\n"
         "cfiddle.set_config('RunnerDelegate_type', S)", None),
    ],
)  # fmt: skip
def test_a_run_goes_where_the_settings_say(tmp_path: Path, own: str, scheduler: str | None) -> None:
    found = python(f"os.chdir({str(tmp_path)!r})" + RUN.format(own=own), tmp_path)
    assert found == [False, 3, scheduler]


@pytest.mark.parametrize("ours_first", [False, True])
def test_delegate_function_knows_our_delegate(tmp_path: Path, ours_first: bool) -> None:
    program = f"""
sys.path.append({str(HOOKS.parents[1] / "tests/upstream/stand_in")!r})
if {ours_first}:
    import cfiddle_slurm.errors
import delegate_function
text = json.dumps({{"sequence": [{{"type": "SlurmSandboxDelegate", "time_limit": 60}}]}})
chain = delegate_function.DelegateGenerator(yaml=text)
print(json.dumps(chain._wrapped_delegate.settings.time_limit))
"""
    assert python(program, tmp_path) == 60


def test_the_settings_are_read_by_the_first_run(tmp_path: Path) -> None:
    program = """
import cfiddle
from cfiddle_slurm.errors import SettingsError
exe = cfiddle.get_config("RunnerDelegate_type")
try:
    exe()
except SettingsError as error:
    print(json.dumps(str(error)))
"""
    said = python(program, tmp_path, CFIDDLE_SLURM_SCHEDULER="abacus")
    assert "scheduler must be one of" in said


def test_importing_this_package_first_is_the_same(tmp_path: Path) -> None:
    program = """
import cfiddle_slurm
settings = cfiddle_slurm.configure(retries=7)
import cfiddle
print(json.dumps(cfiddle.get_config("RunnerDelegate_type").settings.retries))
"""
    assert python(program, tmp_path) == 7


def test_kernels_talk_by_sockets_in_a_private_folder(tmp_path: Path) -> None:
    program = """
from jupyter_client import KernelManager
manager = KernelManager()
from ipykernel.kernelapp import IPKernelApp
named = KernelManager(connection_file="/elsewhere/kernel-7.json")
mode = os.stat(os.environ["JUPYTER_RUNTIME_DIR"]).st_mode & 0o777 if manager.ip else 0
tcp = KernelManager(transport="tcp")
print(json.dumps([manager.transport, IPKernelApp().transport, manager.ip, named.ip, mode, tcp.ip]))
"""
    mine, app, place, named, mode, tcp = python(program, tmp_path)
    assert (mine, app, mode, tcp) == ("ipc", "ipc", 0o700, "127.0.0.1")
    assert place.startswith(f"{tmp_path}/run/kernel-") and place.endswith("-ipc")
    assert named == f"{tmp_path}/run/kernel-7-ipc"


def test_there_is_no_debugger_even_where_somebody_installed_one(tmp_path: Path) -> None:
    program = """
import ipykernel.debugger
print(json.dumps(ipykernel.debugger._is_debugpy_available))
"""
    assert python(program, tmp_path) is False


@pytest.mark.parametrize(
    "text", ["", "ConnectionFileMixin = None", "class ConnectionFileMixin: pass"]
)
def test_a_module_that_is_not_as_expected_stays_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "jupyter_client").mkdir()
    (tmp_path / "jupyter_client" / "__init__.py").touch()
    (tmp_path / "jupyter_client" / "connect.py").write_text(text)
    (tmp_path / "cfiddle").mkdir()
    (tmp_path / "cfiddle" / "__init__.py").write_text("config = 3")
    program = f"""
sys.path.insert(0, {str(tmp_path)!r})
import jupyter_client.connect, cfiddle
print(json.dumps(cfiddle.config))
"""
    assert python(program, tmp_path) == 3
