"""An experiment that forges its results: nothing of them runs in the notebook."""

import importlib
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfiddle
import pytest
from cfiddle import arg_map
from cfiddle.Runner import MissingArgument
from cfiddle.Toolchain.Clang import ClangToolchain

from cfiddle_slurm import errors

FORGE = """
#include <stdio.h>
#include <unistd.h>
extern "C" int forge(int n) {
    FILE *in = fopen("records", "r"), *out = fopen("../results/0", "w");
    if (!in || !out) return -1;
    int c;
    while ((c = fgetc(in)) != EOF) fputc(c, out);
    fclose(out);
    fclose(fopen("../results/0.done", "w"));
    _exit(0);
}
"""


OWN_RUNNER = """
from cfiddle.Runner import Runner


class Doubling(Runner):
    def _delegated_run(self):
        return {"doubled": [one.return_value * 2 for one in super()._delegated_run()]}
"""


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def forged(marker: Path) -> list[tuple[str, Any, str]]:
    command = f"touch '{marker}'"
    return [
        ("a command", Runs(os.system, command), "system"),
        ("code", Runs(eval, f"__import__('os').system({command!r})"), "eval"),
        ("an attribute", Runs(getattr, "text", "upper"), "getattr"),
        # A class of CFiddle's own whose constructor runs the compiler it is told to.
        ("a compiler", Runs(ClangToolchain, "c++", str(marker)), "ClangToolchain"),
    ]


@pytest.fixture
def own_runner(workplace: Path, configured: Any) -> Iterator[None]:
    """A Runner of the user's own is in force, whose results are pickles."""
    (workplace / "students_runner.py").write_text(OWN_RUNNER)
    sys.path.insert(0, str(workplace))
    try:
        module = importlib.import_module("students_runner")
        with cfiddle.cfiddle_config(Runner_type=module.Doubling):
            yield
    finally:
        sys.path.remove(str(workplace))
        sys.modules.pop("students_runner", None)


@pytest.mark.usefixtures("own_runner")
def test_a_runner_of_ones_own_returns_what_it_likes(compiled: Any, configured: Any) -> None:
    configured()
    twice = compiled('extern "C" int twice(int n) { return 2 * n; }')
    assert cfiddle.run(twice, "twice", arg_map(n=[1, 4])) == {"doubled": [4, 16]}


@pytest.mark.usefixtures("own_runner")
@pytest.mark.parametrize("number", range(4))
def test_a_forged_pickle_is_rejected_by_name(
    compiled: Any, configured: Any, workplace: Path, number: int
) -> None:
    marker = workplace / "it ran"
    _, payload, name = forged(marker)[number]
    (workplace / "records").write_bytes(pickle.dumps(("value", payload)))
    configured(input_files=["records"])
    forge = compiled(FORGE)
    with pytest.raises(errors.ResultRejected, match=name):
        cfiddle.run(forge, "forge", arg_map(n=1))
    assert not marker.exists()


def test_where_lines_are_expected_no_pickle_is_read(
    compiled: Any, configured: Any, workplace: Path
) -> None:
    marker = workplace / "it ran"
    (workplace / "records").write_bytes(pickle.dumps(("result", forged(marker)[0][1])))
    configured(input_files=["records"])
    with pytest.raises(errors.ResultRejected, match="not UTF-8"):
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('["result",0,["ET"],[["0.5"]],NaN]\n', "NaN, which is not a number"),
        ('["result",0,["ET"],[[1e999]],1]\n', "1e999, which is not a number"),
        (f'["result",0,[],[],{"9" * 1_000_000}]\n', "a number of 1000000 digits"),
        (f'["result",0,[],[],{"9" * 5_000_000}]\n', "a line of more than 4 MiB"),
        ("[" * 100_000 + "\n", "nested too deeply"),
        ('["result",0,[],[],1]\n' * 2, "results of invocation 0 twice"),
        ('["result",1,[],[],1]\n', "an invocation that was not sent"),
        ('["result",0,["\\ud800"],[["1"]],1]\n', "half a character"),
        ('["result",0,[],[],1]', "cut off"),
        ("", "1 invocation"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_forged_line_is_rejected_by_name(
    compiled: Any, configured: Any, workplace: Path, line: str, reason: str
) -> None:
    (workplace / "records").write_text(line)
    configured(input_files=["records"])
    with pytest.raises(errors.ResultRejected, match=reason):
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))


@pytest.mark.usefixtures("own_runner")
@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (b"\x80\x05\x8c\x06result(" + b"\x8f" * 3_000_000 + b"t\x86.", "out of all proportion"),
        (b"\x80\x05\x8c\x06result" + b"(" * 20_000, "nested too deeply"),
    ],
    ids=["empty sets", "marks"],
)
def test_a_few_megabytes_do_not_become_gigabytes(
    compiled: Any, configured: Any, workplace: Path, records: bytes, reason: str
) -> None:
    (workplace / "records").write_bytes(records)
    configured(input_files=["records"])
    with pytest.raises(errors.ResultRejected, match=reason):
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))


def test_an_exception_has_nothing_that_is_obeyed_when_it_is_shown(
    compiled: Any, configured: Any, workplace: Path
) -> None:
    state = {"__notes__": ["\x1b[2J"], "_render_traceback_": 1, "with_traceback": 2, "code": 3}
    tagged = {"dict": [[name, value] for name, value in state.items()]}
    form = ["cfiddle.Runner", "MissingArgument", {"tuple": ["\x1b]0;title\x07"]}, tagged]
    record = json.dumps(["raised", "a.E", "text", "trace", form])
    (workplace / "records").write_text(f"{record}\n")
    configured(input_files=["records"])
    with pytest.raises(MissingArgument) as caught:
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))
    caught.value.partial_results = None
    assert vars(caught.value) == {"code": 3, "partial_results": None}
    assert caught.value.args == ("\\x1b]0;title\\x07",)
