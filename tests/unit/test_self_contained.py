"""What the newer CFiddle unpacks and loads, after the sandbox had it in hand."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cfiddle.Data import InvocationResultsList
from cfiddle.Runner import InvocationResult

from cfiddle_slurm.errors import ResultRejected
from cfiddle_slurm.self_contained import is_self_contained, pack_results, read_results

RESULTS = ".cfiddle/builds/1/results.pickle"


class Invocation:
    extra_output_files = ("out/*.txt",)


class Runner:
    def get_invocations(self) -> list[Invocation]:
        return [Invocation()]


class SelfContained:
    """As CFiddle's."""

    def __init__(self) -> None:
        self._command = ["cfiddle-run", "--runner", "r", "--results", RESULTS]
        self._runner = Runner()
        self._outputs_file: Any = None


def results(*values: object) -> Any:
    found = InvocationResultsList()
    for value in values:
        found.append(InvocationResult(None, [{"n": 1}], value))
    return found


def archive(**files: bytes) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return packed


def unpacked(obj: SelfContained) -> dict[str, bytes]:
    with zipfile.ZipFile(obj._outputs_file) as made:
        return {name: made.read(name) for name in made.namelist()}


def test_whose_call_it_is() -> None:
    class Contained:
        pass

    Contained.__module__ = "cfiddle.SelfContainedExecutionMethod"
    Contained.__qualname__ = "SelfContainedExecutionMethod"
    derived = type("Own", (Contained,), {})()
    assert is_self_contained(derived, "_do_execution")
    assert not is_self_contained(derived, "execute")
    assert not is_self_contained(SelfContained(), "_do_execution")


def test_results_are_put_where_cfiddle_loads_them() -> None:
    obj = SelfContained()
    pack_results(obj, results(4))
    found = unpacked(obj)
    assert set(found) == {RESULTS, ".__manifest__"}
    assert [one.return_value for one in pickle.loads(found[RESULTS])] == [4]


def test_what_the_sandbox_packed_is_read_and_packed_anew() -> None:
    obj = SelfContained()
    manifest = json.dumps({"../../.ssh/authorized_keys": {"st_mode": 0o777}}).encode()
    packed = archive(**{
        RESULTS: pickle.dumps(results(4, "a\x1b[2J")),
        "out/a.txt": b"words",
        "out/deep/b.txt": b"not asked for",
        ".bashrc": b"evil",
        "../escape.txt": b"evil",
        "/etc/passwd": b"evil",
        ".__manifest__": manifest,
    })  # fmt: skip
    read_results(obj, packed, ())
    found = unpacked(obj)
    assert set(found) == {RESULTS, "out/a.txt", ".__manifest__"}
    assert json.loads(found[".__manifest__"]) == {}
    values = [one.return_value for one in pickle.loads(found[RESULTS])]
    assert values[0] == 4 and "\x1b" not in values[1]


def evil() -> bytes:
    return b"cos\nsystem\n(S'touch executed'\ntR."


@pytest.mark.parametrize(
    "packed",
    [
        io.BytesIO(b"no archive"),
        archive(other=b""),
        archive(**{RESULTS: b""}),
        archive(**{RESULTS: b"nonsense"}),
        archive(**{RESULTS: evil()}),
        archive(**{RESULTS: pickle.dumps(print)}),
        archive(**{RESULTS: pickle.dumps(results())[:-3]}),
    ],
    ids=["no archive", "no results", "empty", "nonsense", "evil", "a function", "cut off"],
)
def test_anything_else_is_refused(
    packed: io.BytesIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    obj = SelfContained()
    with pytest.raises(ResultRejected):
        read_results(obj, packed, ())
    assert obj._outputs_file is None
    assert list(tmp_path.iterdir()) == []


def test_what_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfiddle_slurm.self_contained._MOST_BYTES", 1 << 20)
    with pytest.raises(ResultRejected, match="take more than"):
        read_results(SelfContained(), archive(**{RESULTS: bytes(2 << 20)}), ())
