"""What the sandbox wrote is shown without a command to a terminal, and without doing anything."""

import builtins
import collections
import io
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cfiddle.Data import InvocationResultsList
from cfiddle.Runner import InvocationResult

from cfiddle_slurm.errors import CFiddleSlurmError, ResultRejected
from cfiddle_slurm.rebuilt import exception_class, plain_exception
from cfiddle_slurm.results.records import RaisedThere, Records, read_records
from cfiddle_slurm.run.outcomes import error_of_outcome
from tests.unit import forged_pickles as forged
from tests.unit.bounds import little_memory
from tests.unit.forged_pickles import EXTRA, pickled, record

TITLE = "\x1b]0;title\x07"
SHOW = """
import io, sys, traceback
from cfiddle_slurm.results.records import read_records
raw = open(sys.argv[1], "rb").read()
extra = {("tests.processes.showing", "Watch")}
found = read_records([io.BufferedReader(io.BytesIO(raw))], (), extra)
error = found.raised.exception if found.raised else found.values[0]
try:
    raise error
except Exception:
    traceback.print_exc()
sys.exit("evilmod" in sys.modules)
"""


def raised(form: Any, *, call: bool = True) -> RaisedThere:
    stream = io.BytesIO(pickled(("raised", "a.E", "text", "trace", form)))
    found = read_records([io.BufferedReader(stream)], (), EXTRA if call else ()).raised
    assert found is not None
    return found


def read(raw: bytes) -> Records:
    return read_records([io.BufferedReader(io.BytesIO(raw))], (), EXTRA)


def rebuilt(module: str, name: str, /, *arguments: Any, **attributes: Any) -> Exception | None:
    return raised((module, name, arguments, attributes)).exception


@pytest.mark.parametrize("nested", [False, True], ids=["itself", "as a cause"])
def test_no_module_is_imported_to_suggest_a_name(tmp_path: Path, nested: bool) -> None:
    # From Python 3.12 on, its traceback module imports the module of an ImportError with these.
    (tmp_path / "evilmod.py").write_text("raise SystemExit('it ran')")
    state = {"name": b"\x8c\x07evilmod", "name_from": forged.text("x")}
    body = forged.named("builtins", "ImportError") + forged.EMPTY + forged.REDUCE
    body += forged.table(**state) + forged.BUILD
    if nested:
        outer = forged.named("cfiddle.Exceptions", "CFiddleException") + forged.EMPTY
        body = outer + forged.REDUCE + forged.table(__cause__=body) + forged.BUILD
    (tmp_path / "records").write_bytes(record(body))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHOW, "records"], cwd=tmp_path,
        env={"PYTHONPATH": f"{Path(__file__).parents[3]}:{tmp_path}", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "it ran" not in done.stderr


def test_an_exception_is_its_class_and_plain_arguments() -> None:
    error = rebuilt(
        "builtins", "ImportError", "no", name="evilmod", name_from="x", path="y", code=5,
        items=[1, ("a", {"b": b"c"})], args=(1,), with_traceback=1, __cause__=1, __notes__=["a"],
        _render_traceback_=2, **{"not an identifier": 1, "class": 2, "é" * 200: 3},
    )  # fmt: skip
    assert type(error) is ImportError and error.args == ("no",)
    assert (error.name, error.path, error.__cause__, error.__context__) == (None,) * 4
    vars(error).pop("name_from", None)  # which means nothing before Python 3.12
    assert vars(error) == {"code": 5, "items": [1, ("a", {"b": b"c"})]}


def test_a_value_that_is_an_exception_has_no_more_than_one_that_was_raised() -> None:
    error = ImportError("no", name="evilmod")
    error.__cause__ = ValueError("a cause")
    vars(error).update(code=5, _hidden=6, other=object())
    vars(error)["__notes__"] = ["a note"]
    (found,) = read(pickled(("value", error))).values
    assert (type(found), found.args, found.name) == (ImportError, ("no",), None)
    assert (vars(found), found.__cause__) == ({"code": 5}, None)
    for odd in (ValueError(object()), ValueError([{1}])):
        with pytest.raises(ResultRejected, match=r"exception|refers to"):
            read(pickled(("value", odd)))


def test_a_value_of_its_own_stands_in_place_of_the_classs() -> None:
    class Coded(Exception):
        code: int | None = None
        transient = False

        def method(self) -> None: ...

        @property
        def seen(self) -> int:
            return 5

    error = plain_exception(Coded, ("a",), {"code": 3, "transient": True, "method": 1, "seen": 2})
    assert error is not None
    assert vars(error) == {"code": 3, "transient": True}


def test_a_syntax_error_has_no_file_whose_line_would_be_shown() -> None:
    error = rebuilt("builtins", "SyntaxError", "boom", ("/dev/zero", 1, 1, None))
    assert isinstance(error, SyntaxError)
    assert (error.filename, error.lineno, error.text, str(error)) == (None, None, None, "boom")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("UnicodeDecodeError", ("utf-8", b"a", -(1 << 40), 1 - (1 << 40), "reason")),
        ("UnicodeDecodeError", ("utf-8", b"", 0, 1, "reason")),
        ("UnicodeEncodeError", ("utf-8", "a", 1, 2, "reason")),
        ("UnicodeTranslateError", ("a", -5, -4, "reason")),
        ("UnicodeTranslateError", ("a", 0)),
    ],
)
def test_a_unicode_error_about_what_is_not_there_is_told_only(
    name: str, arguments: tuple[Any, ...]
) -> None:
    # Python reads at the place that it names: far away, the notebook's process would end.
    assert rebuilt("builtins", name, *arguments) is None


def test_an_honest_unicode_error_comes_home() -> None:
    for error in (
        UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "bad"),
        UnicodeEncodeError("ascii", "a\x1b", 1, 2, "bad"),
        UnicodeTranslateError("a\x1b", 1, 2, "bad"),
    ):
        found = rebuilt("builtins", type(error).__name__, *error.args)
        assert str(found) == str(error)


def test_no_group_and_nothing_that_ends_a_program_is_made() -> None:
    for name in ("ExceptionGroup", "BaseExceptionGroup", "SystemExit", "KeyboardInterrupt"):
        kind = vars(builtins).get(name)
        assert exception_class(kind) is None
        assert rebuilt("builtins", name, "a", [ValueError]) is None if kind else True
    group = b"cbuiltins\nExceptionGroup\n"
    for body in (group + forged.text("a") + b"](cbuiltins\nValueError\n)Re\x86R",):
        with pytest.raises(ResultRejected):
            read(record(body))


def test_no_exception_that_is_a_file_besides_is_made() -> None:
    import urllib.error

    assert exception_class(urllib.error.HTTPError) is None
    assert rebuilt("urllib.error", "HTTPError", "http://a", 404, "a", {}, None) is None
    assert isinstance(rebuilt("urllib.error", "URLError", "a", reason="b"), urllib.error.URLError)


def test_a_class_is_not_imported_for_an_exception() -> None:
    for module, name in (("wsgiref.validate", "WSGIWarning"), ("cfiddle.none", "x")):
        sys.modules.pop(module, None)
        assert rebuilt(module, name) is None
        assert module not in sys.modules


@pytest.mark.parametrize(
    "argument",
    [object, {1}, [[]] * 10_001, "a" * (1 << 20) + "b", 1 << 5000, {(1,): 2}, 1j, bytearray()],
    ids=lambda one: f"{type(one).__name__}",
)
def test_what_is_not_plain_or_too_large_is_told_only(argument: Any) -> None:
    found = raised(("builtins", "ValueError", (argument,), {}))
    assert found.exception is None and "text" in str(found.as_remote_error())


def test_what_is_in_itself_is_told_only() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert raised(("builtins", "ValueError", (endless,), {})).exception is None
    for _ in range(40):
        endless = [endless, endless]
    with little_memory(), pytest.raises(ResultRejected, match="when they are shown"):
        raised(("builtins", "ValueError", (endless,), {}))


def test_texts_of_the_sandbox_give_a_terminal_no_commands() -> None:
    stream = io.BytesIO(pickled(("raised", f"a.{TITLE}", TITLE, f"a\n{TITLE}", None)))
    found = read_records([io.BufferedReader(stream)], ()).raised
    assert found is not None
    error = found.as_remote_error()
    status = {"outcome": {"kind": "signal", "message": TITLE, "signal": TITLE}, "node": TITLE}
    other = error_of_outcome(status)
    assert other is not None
    for one in (error, other, CFiddleSlurmError(TITLE, hint=TITLE, cause=TITLE, node=TITLE)):
        for text in (str(one), one.message, one.hint, one.cause or "", f"{one!r}", f"{one.args}"):
            assert "\x1b" not in text and "\x07" not in text
        assert "\x1b" not in "".join(traceback.format_exception(one))
    assert error.remote_traceback == "a\n\\x1b]0;title\\x07"
    assert "\x1b" not in error.type_name + vars(other)["signal_name"]
    own = rebuilt("builtins", "ValueError", TITLE, [TITLE], code=TITLE)
    assert own is not None and "\x1b" not in f"{own.args} {vars(own)}" + "".join(own.args[1])


def test_a_table_of_results_gives_a_terminal_no_commands() -> None:
    executable = SimpleNamespace(build_spec=SimpleNamespace(build_parameters={}))
    one = InvocationResult(0, [collections.OrderedDict({TITLE: 1, "b": TITLE, "c": 2.5})], TITLE)
    (found,) = read(pickled(("result", one))).results
    found.invocation = SimpleNamespace(
        executable=executable, arguments={"n": 1}, run_options={}, function="f"
    )
    table = InvocationResultsList([found]).as_df()
    assert "\\x1b]0;title\\x07" in f"{table}"
    assert "\x1b" not in f"{table}{table.to_html()}{found.return_value}{table.to_csv()}"
    assert table["c"][0] == 2.5


@pytest.mark.parametrize(
    "name", ["__array_interface__", "_repr_html_", "__reduce_ex__", "_ipython_display_", "__rich__"]
)
def test_an_object_has_no_attribute_that_a_display_obeys(name: str) -> None:
    # numpy reads memory where the first one says; the others are called.
    with pytest.raises(ResultRejected, match="would obey"):
        read(record(forged.bare(forged.ALSO_SENT) + forged.table(**{name: forged.SENT}) + b"b"))
    slots = forged.attributes_set(forged.bare(forged.ALSO_SENT), **{name: forged.SENT})
    with pytest.raises(ResultRejected):
        read(record(slots))
    stream = b"c_io\nStringIO\n)\x81(" + forged.text("a") + b"X\0\0\0\0K\0"
    with pytest.raises(ResultRejected, match="would obey"):
        read(record(stream + forged.table(**{name: forged.SENT}) + b"tb"))
    with pytest.raises(ResultRejected, match="unknown form"):
        read(pickled(("state", {name: 1}, [])))


def test_only_a_slot_is_set_as_one() -> None:
    class_changed = forged.attributes_set(forged.bare(forged.ALSO_SENT), content=forged.number(1))
    with pytest.raises(ResultRejected, match="a state of an unknown form"):
        read(record(class_changed))
