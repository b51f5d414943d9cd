"""The tables of the pages against the code: a row too few or too many is an error."""

import configparser
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

import cfiddle_slurm
from cfiddle_slurm import RunReport, Settings, errors
from cfiddle_slurm.cluster.commands.program import main
from cfiddle_slurm.sandbox.policy import Policy, load_policy
from cfiddle_slurm.sandbox.protocol import OutcomeKind
from tests.unit.docs.pages import ROOT, names_in, page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def names_of(rows: list[list[str]]) -> list[str]:
    """The names in the first column, each of which may stand there once only."""
    found = [name for row in rows for name in names_in(row[0])]
    assert len(found) == len(set(found))
    return found


def toml(cell: str) -> list[Any]:
    """The values in a cell, each as it would stand in a file."""
    return [tomllib.loads(f"value = {word}")["value"] for word in names_in(cell)]


def test_the_settings() -> None:
    rows = page("docs/settings.md").table("setting", "default", "meaning")
    assert sorted(names_of(rows)) == sorted(field.name for field in fields(Settings))
    defaults = Settings()
    for names, default, _ in rows:
        values = toml(default) if default != "none" else [None] * len(names_in(names))
        for name, value in zip(names_in(names), values, strict=True):
            default_of_it = getattr(defaults, name)
            if value is None:
                assert default_of_it in (None, ()), name
            else:
                assert getattr(Settings(**{name: value}), name) == default_of_it, name


def kinds_of_errors() -> Iterator[type[errors.CFiddleSlurmError]]:
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.CFiddleSlurmError):
            yield found


def test_the_errors() -> None:
    rows = page("docs/errors.md").table("error", "is a", "raised when", "transient")
    known = {kind.__name__: kind for kind in kinds_of_errors()}
    del known["CFiddleSlurmError"]
    assert sorted(names_of(rows)) == sorted(known)
    for name, above, _, transient in rows:
        kind = known[names_in(name)[0]]
        assert names_in(above) == [kind.__bases__[0].__name__], name
        assert {"yes": True, "no": False}[transient] is kind.transient, name


def test_what_every_error_has() -> None:
    rows = page("docs/errors.md").table("attribute", "meaning")
    error = errors.CFiddleSlurmError("words")
    assert sorted(names_of(rows)) == sorted({*vars(error), "transient"})


def test_the_errors_that_students_meet_are_errors() -> None:
    rows = page("docs/student.md").table("error", "usual cause", "do")
    names = {name for row in rows for name in names_in(row[0]) if not name.startswith("SIG")}
    assert names <= {kind.__name__ for kind in kinds_of_errors()}


def test_the_policy(tmp_path: Path) -> None:
    rows = page("docs/sandbox.md").table("key", "default", "meaning")
    assert sorted(names_of(rows)) == sorted(field.name for field in fields(Policy))
    file = tmp_path / "sandbox.toml"
    file.write_text("".join(f"{names_in(row[0])[0]} = {names_in(row[1])[0]}\n" for row in rows))
    assert load_policy(file) == Policy()


def test_the_ways_a_run_ends() -> None:
    rows = page("docs/sandbox.md").table("kind", "when")
    assert sorted(names_of(rows)) == sorted(kind.value for kind in OutcomeKind)


def test_the_fields_of_a_report() -> None:
    rows = page("docs/student.md").table("field", "shown as", "meaning")
    assert sorted(names_of(rows)) == sorted(field.name for field in fields(RunReport))
    unknown: dict[str, Any] = {field.name: None for field in fields(RunReport)}
    report = RunReport(**unknown | {"scheduler": "local", "exit_reason": "ok", "versions": {}})
    shown = {words.strip() for row in rows for words in row[1].partition(":")[0].split(",")}
    assert shown - {""} == {name for name, _ in report.rows()}


def test_the_public_names() -> None:
    rows = page("docs/api.md").table("name", "is")
    leaves = {kind.__name__ for kind in kinds_of_errors()} - {"CFiddleSlurmError"}
    assert sorted(names_of(rows)) == sorted(set(dir(cfiddle_slurm)) - leaves)


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    for part, inner in command.commands.items():
        yield from commands(inner, f"{name} {part}".strip())


def long_options(command: click.Command) -> set[str]:
    return {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }


def test_the_commands_and_their_options() -> None:
    rows = page("docs/cluster.md").table("command", "options", "does")
    told = {
        re.sub(r" [A-Z\[].*", "", names_in(command)[0]): set(names_in(options))
        for command, options, _ in rows
    }
    assert len(told) == len(rows)
    assert told == {name: long_options(command) for name, command in commands(main)}


def test_the_options_before_a_command() -> None:
    line = next(
        line for line in page("docs/cluster.md").prose() if line.startswith("Options before")
    )
    after = "\n".join(page("docs/cluster.md").prose()).partition(line)[2].partition("\n\n")[0]
    assert {word for word in names_in(line + after) if word.startswith("--")} == long_options(main)


@pytest.mark.parametrize("name", ["run", "cluster"])
def test_who_may_import_whom(name: str) -> None:
    """The drawing in the architecture's page is the contract that `lint-imports` checks."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    contract = parser[f"importlinter:contract:{name}"]
    drawn = [b.text for b in page("docs/architecture.md").blocks() if b.info == f"text {name}"]
    assert [text.split() for text in drawn] == [contract["layers"].split()]


def test_the_folders_of_the_tests() -> None:
    rows = page("README.md").table("tests", "need", "test")
    folders = {
        f"tests/{path.name}"
        for path in (ROOT / "tests").iterdir()
        if path.is_dir() and next(path.rglob("*.py"), None) and not path.name.startswith("_")
    }
    assert set(names_of(rows)) == folders


def test_the_folders_of_the_library_are_in_the_architecture() -> None:
    rows = page("docs/architecture.md").table("room", "holds", "runs in")
    told = {Path(name).parts[0] for name in names_of(rows)}
    package = ROOT / "cfiddle_slurm"
    there = {path.parent.name for path in package.glob("*/__init__.py")}
    there |= {path.name for path in package.glob("*.py")} - {"_version.py"}
    assert told == there
