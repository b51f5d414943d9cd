"""An experiment that forges its results: nothing of them runs in the notebook."""

import os
import pickle
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
    FILE *in = fopen("evil.pickle", "r"), *out = fopen("../results/0", "w");
    if (!in || !out) return -1;
    int c;
    while ((c = fgetc(in)) != EOF) fputc(c, out);
    fclose(out);
    fclose(fopen("../results/0.done", "w"));
    _exit(0);
}
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


@pytest.mark.parametrize("number", range(4))
def test_a_forged_pickle_is_rejected_by_name(
    compiled: Any, configured: Any, workplace: Path, number: int
) -> None:
    marker = workplace / "it ran"
    _, payload, name = forged(marker)[number]
    (workplace / "evil.pickle").write_bytes(pickle.dumps(("result", payload)))
    configured(input_files=["evil.pickle"])
    forge = compiled(FORGE)
    with pytest.raises(errors.ResultRejected, match=name):
        cfiddle.run(forge, "forge", arg_map(n=1))
    assert not marker.exists()


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
    (workplace / "evil.pickle").write_bytes(records)
    configured(input_files=["evil.pickle"])
    with pytest.raises(errors.ResultRejected, match=reason):
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))


def test_an_exception_has_nothing_that_is_obeyed_when_it_is_shown(
    compiled: Any, configured: Any, workplace: Path
) -> None:
    state = {"__notes__": ["\x1b[2J"], "_render_traceback_": 1, "with_traceback": 2, "code": 3}
    form = ("cfiddle.Runner", "MissingArgument", ("\x1b]0;title\x07",), state)
    record = pickle.dumps(("raised", "a.E", "text", "trace", form))
    (workplace / "evil.pickle").write_bytes(record)
    configured(input_files=["evil.pickle"])
    with pytest.raises(MissingArgument) as caught:
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))
    caught.value.partial_results = None
    assert vars(caught.value) == {"code": 3, "partial_results": None}
    assert caught.value.args == ("\\x1b]0;title\\x07",)


def test_results_of_nothing_are_not_taken_for_a_complete_run(
    compiled: Any, configured: Any, workplace: Path
) -> None:
    (workplace / "evil.pickle").write_bytes(b"")
    configured(input_files=["evil.pickle"])
    with pytest.raises(errors.ResultRejected, match="1 invocation"):
        cfiddle.run(compiled(FORGE), "forge", arg_map(n=1))
