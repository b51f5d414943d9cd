"""The stand-in for pyslurm has the names of the real one, and the package uses no others."""

import ast
import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.schedulers.binding import helper, questions
from cfiddle_slurm.settings import Settings

from .conftest import PLACE

NAMES = [
    line for line in Path(__file__).with_name("names.txt").read_text().splitlines()
    if line[0] != "#"
]  # fmt: skip
ATTRIBUTES = {name.partition("(")[0] for name in NAMES}


@pytest.fixture
def pyslurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, as a module of this process."""
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    spec = importlib.util.spec_from_file_location("stand_in", PLACE / "pyslurm" / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stand_in_has_these_names_and_no_others(pyslurm: Any) -> None:
    kinds = {
        name: kind for name, kind in vars(pyslurm).items()
        if inspect.isclass(kind) and kind.__module__ == "stand_in"
    }  # fmt: skip
    there = {"__version__", *kinds}
    for name, kind in kinds.items():
        members = {*vars(kind), *vars(kind).get("__annotations__", {})}
        there |= {f"{name}.{member}" for member in members if member[0] != "_"}
    assert there == ATTRIBUTES | {"Jobs"}


@pytest.mark.parametrize("name", [name for name in NAMES if "(" in name])
def test_what_is_called_takes_the_same(pyslurm: Any, name: str) -> None:
    path, _, arguments = name.partition("(")
    found: Any = pyslurm
    for part in path.split("."):
        found = getattr(found, part)
    parameters = [
        f"{'**' if p.kind is p.VAR_KEYWORD else ''}{p.name}"
        for p in inspect.signature(found).parameters.values() if p.name != "self"
    ]  # fmt: skip
    assert parameters == [word.strip() for word in arguments.rstrip(")").split(",") if word]


def test_the_helper_uses_these_names_only() -> None:
    tree = ast.parse(Path(helper.__file__).read_text())
    asked = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Slurm"
    )
    used = {
        node.attr for node in ast.walk(asked)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("os", "self", "types"))
    }  # fmt: skip
    assert used == {"JobSubmitDescription", "submit", "Jobs", "load", "values", "Job", "cancel",
                    "id", "state", "state_reason", "allocated_nodes", "name",
                    "working_directory", "user_id", "RPCError"}  # fmt: skip
    assert used <= {part for name in ATTRIBUTES for part in name.split(".")} | {"Jobs"}


def test_a_jobs_description_uses_these_names_only() -> None:
    settings = Settings(
        partition="a", account="b", qos="c", constraint="d", time_limit=60,
        sbatch_options=("--exclude=w1",),
    )  # fmt: skip
    job = questions.description("0" * 16, Path(os.sep), settings)
    assert job is not None
    attributes = {f"JobSubmitDescription.{name}" for name in {*job, "environment"}}
    methods = {name for name in ATTRIBUTES if name.endswith("submit")}
    assert attributes | methods == {n for n in ATTRIBUTES if n.startswith("JobSubmitDescription.")}
