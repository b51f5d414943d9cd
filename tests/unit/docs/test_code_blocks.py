"""The Python blocks of the pages for users are executed, in order, as one program a page.

A block is either `` ```python ``, which is executed; `` ```python file=NAME ``, which becomes that
file; or `` ```python fragment: REASON ``, which is executed nowhere.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import cfiddle
import pytest

from cfiddle_slurm import Settings
from tests.unit.docs.pages import Block, Page, all_pages, page

EXECUTED = ("README.md", "docs/student.md", "docs/api.md", "docs/migrating.md")


def execute(block: Block, name: str, variables: dict[str, object]) -> None:
    """Execute a block; a traceback shows the page's name and line."""
    text = "\n" * block.line + block.text
    exec(compile(text, name, "exec"), variables)  # noqa: S102 - they are this project's own words


def python_blocks(one: Page) -> list[Block]:
    return [block for block in one.blocks() if block.info.split(" ")[0] == "python"]


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder and a home in which a page is executed, with CFiddle's configuration as it was."""
    for name in list(os.environ):
        if name.startswith("CFIDDLE_SLURM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CFIDDLE_SLURM_SCHEDULER", "local")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    with cfiddle.cfiddle_config():
        yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", EXECUTED)
def test_the_blocks_of_a_page_can_be_executed(name: str, notebook: Path) -> None:
    variables: dict[str, object] = {"__name__": "__main__"}
    blocks = python_blocks(page(name))
    assert blocks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CFiddle's own, about its dependencies
        for block in blocks:
            kind, _, rest = block.info.removeprefix("python").strip().partition("=")
            if kind == "file":
                (notebook / rest).write_text(block.text)
            elif not kind:
                execute(block, name, variables)


@pytest.mark.parametrize("one", all_pages(), ids=lambda one: one.name)
def test_a_block_that_is_not_executed_says_why(one: Page) -> None:
    for block in python_blocks(one):
        kind = block.info.removeprefix("python").strip()
        reason = kind.removeprefix("fragment:").strip() if kind.startswith("fragment:") else ""
        is_executed = one.name in EXECUTED and (not kind or kind.startswith("file="))
        assert is_executed or reason, f"{one.name}, line {block.line}"


def keys_of_ours(block: Block) -> list[str]:
    """What a chain in YAML says to our delegate."""
    found, ours = [], False
    for line in block.text.splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if line.strip().startswith("- "):
            ours = value.strip() == "SlurmSandboxDelegate"
        elif ours:
            found.append(key)
    return found


def test_what_yaml_says_to_our_delegate_are_settings() -> None:
    blocks = [block for one in all_pages() for block in one.blocks() if block.info == "yaml"]
    keys = [key for block in blocks for key in keys_of_ours(block)]
    assert keys
    assert set(keys) <= {field.name for field in fields(Settings)}
