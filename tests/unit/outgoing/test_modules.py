"""Which of the user's own modules travel."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.outgoing.modules import imports_of_code, user_modules


@pytest.fixture
def imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., frozenset[str]]]:
    """``imported(module, *files)`` writes source files, imports a module and names it."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(module: str, *files: str) -> frozenset[str]:
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        importlib.import_module(module)
        return frozenset({module})

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("module", "files", "sent"),
    [
        ("own_module", ["own_module.py", "other.py"], ["own_module.py"]),
        (
            "own_package.sub.part",
            [
                "own_package/__init__.py",
                "own_package/data.txt",
                "own_package/helper.py",
                "own_package/sub/__init__.py",
                "own_package/sub/part.py",
            ],
            [
                "own_package/__init__.py",
                "own_package/helper.py",
                "own_package/sub/__init__.py",
                "own_package/sub/part.py",
            ],
        ),
        ("own_folder.part", ["own_folder/part.py"], ["own_folder/part.py"]),
    ],
    ids=["a module", "a package", "a package without __init__.py"],
)
def test_the_sources_of_own_modules_travel(
    imported: Any, tmp_path: Path, module: str, files: list[str], sent: list[str]
) -> None:
    members, travelling = user_modules(imported(module, *files), "modules")
    assert [member.path for member in members] == [f"modules/{name}" for name in sent]
    assert [member.source for member in members] == [tmp_path / name for name in sent]
    assert travelling == {module.partition(".")[0]}


def test_a_package_travels_once_however_much_of_it_is_named(imported: Any) -> None:
    names = imported("own_pair.one", "own_pair/__init__.py", "own_pair/one.py", "own_pair/two.py")
    names |= imported("own_pair.two") | {"own_pair"}
    assert len(user_modules(names, "modules")[0]) == 3


def test_what_the_sandbox_has_does_not_travel(
    imported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    names = imported("installed_one", "site-packages/installed_one.py")
    names |= {"os", "json.decoder", "builtins", "cfiddle.Runner", "cloudpickle.cloudpickle"}
    names |= {"cfiddle_slurm.settings", "never_imported", "pytest", "__main__"}
    assert user_modules(names, "modules") == ([], set())


def test_what_they_import_travels_however_deep(imported: Any, tmp_path: Path) -> None:
    files = {
        "own_a.py": "import own_b.part, os\nfrom own_c import x",
        "own_b/__init__.py": "from . import part",
        "own_b/part.py": "def f():\n    import own_d",
        "own_c.py": "x = 1",
        "own_d.py": "import own_a\nimport not_to_be_found",
        "own_broken.py": "def",
        "own_unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    importlib.import_module("own_a")
    assert "own_d" not in sys.modules, "it is imported only there, when the function is called"
    members, travelling = user_modules(["own_a", "own_broken"], "m")
    assert {member.path for member in members} == {
        "m/own_a.py", "m/own_b/__init__.py", "m/own_b/part.py", "m/own_c.py", "m/own_d.py",
        "m/own_broken.py",
    }  # fmt: skip
    assert travelling == {"own_a", "own_b", "own_c", "own_d", "own_broken"}


def test_what_a_function_imports() -> None:
    def outer() -> object:
        import own_x.sub  # type: ignore[import-not-found]

        def inner() -> object:
            from own_y import z  # type: ignore[import-not-found]

            return z

        return own_x, inner

    assert set(imports_of_code(outer.__code__)) == {"own_x.sub", "own_y"}
