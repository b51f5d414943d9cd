"""Show what came out of the sandbox in every way in which a notebook or a grader would.

``python -m tests.processes.showing`` is a process of its own, since what it watches for (imports,
opened files, compiled code: :pep:`578`) cannot be unwatched. It prints what broke the rule: all
that does not happen with a plain exception, too, and all that a terminal would obey.
"""

import contextlib
import importlib
import io
import logging
import pickle
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from cfiddle_slurm.results.records import RaisedThere, read_records
from tests.unit import forged_pickles
from tests.unit.forged_pickles import EXTRA, pickled

EVIL = "evilmod"
FILE = forged_pickles.__file__  # one that there is: no other is opened
HOSTILE: dict[str, Any] = {
    "__cause__": ValueError("a cause"), "__context__": ValueError("a context"),
    "__notes__": ["\x1b]0;title\x07"], "__traceback__": None, "__suppress_context__": False,
    "_render_traceback_": "a method", "_repr_html_": "another", "_metadata": (1, 0, "lambda"),
    "name": EVIL, "name_from": "x", "path": FILE, "obj": {}, "filename": FILE,
    "text": "lambda: 0", "lineno": 1, "offset": 1, "end_lineno": 1, "end_offset": 2,
    "print_file_and_line": True, "msg": "a message", "exceptions": (), "file": FILE,
    "url": f"file://{FILE}", "fp": FILE, "code": 5, "doc": "x", "pos": 3, "args": (EVIL,),
}  # fmt: skip
ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    (),
    (f"\x1b]0;title\x07{FILE}",),
    (2, "no such file", FILE),
    ("boom", (FILE, 1, 1, None)),
    ("boom", (FILE, 1, 1, "lambda: 0", 1, 2)),
    ("utf-8", b"a", -(1 << 40), 1 - (1 << 40), "reason"),
    ("utf-8", "a", -(1 << 40), 1 - (1 << 40), "reason"),
    ("a", 5, 6, "reason"),
    (1, 2, 3, 4, 5, 6, 7, 8, 9),
    ([], {"a": (b"b", None)}),
)
_SKIPPED = {"antigravity", "this", "idlelib", "turtledemo", "test", "__main__", "lib2to3"}
_SHOWN_BY = (
    "__str__", "__repr__", "__format__", "__getattr__", "__getattribute__", "__setattr__",
    "__del__", "_repr_html_", "_repr_pretty_", "_ipython_display_", "_render_traceback_",
)  # fmt: skip
_WATCHED = ("import", "open", "exec", "compile", "os.system", "subprocess.Popen", "socket.connect")


class Watch:
    """An audit hook that notes what happens while something is shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.usual: set[str] = set()
        self._on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._on and event in _WATCHED:
            self._on = False
            told = f"{event} {arguments!r:.200}"
            if told not in self.usual:
                self.seen.append(told)
            self._on = True

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Watch."""
        self._on = True
        try:
            yield
        finally:
            self._on = False


def ways() -> dict[str, Callable[[BaseException], str]]:
    """How an exception is shown, by name."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.ultratb import ListTB, VerboseTB

    shell: Any = InteractiveShell.instance()
    verbose, listed = VerboseTB(), ListTB()

    def logged(error: BaseException) -> str:
        stream = io.StringIO()
        logger = logging.Logger("shown")
        logger.addHandler(logging.StreamHandler(stream))
        logger.error("It failed.", exc_info=error)
        return stream.getvalue()

    def raised_in_a_shell(error: BaseException) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            try:
                raise error
            except BaseException:
                shell.showtraceback()
        return stream.getvalue()

    def by_pytest(error: BaseException) -> str:
        import pytest

        try:
            raise error
        except BaseException:
            info = pytest.ExceptionInfo.from_current()
            return f"{info.getrepr(style='long')}{info.exconly()}{info!r}"

    def displayed(error: BaseException) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as stream:
            data, _ = shell.display_formatter.format(error)
        return "".join(map(str, data.values())) + stream.getvalue()

    return {
        "text": _text,
        "traceback": lambda error: "".join(traceback.format_exception(error)),
        "a cell's value": displayed,
        "a notebook": raised_in_a_shell,
        "raised": _raised,
        "logging": logged,
        "IPython's verbose": lambda error: verbose.text(type(error), error, error.__traceback__),
        "IPython's list": lambda error: listed.text(type(error), error, error.__traceback__),
        "pytest": by_pytest,
    }


def _text(error: BaseException) -> str:
    # A class of the standard library may need what it was not given, and says so.
    try:
        return f"{error}{error!r}"
    except Exception as other:
        return repr(other)


def _raised(error: BaseException) -> str:
    try:
        raise error
    except BaseException:
        return traceback.format_exc()


def all_exceptions() -> Iterator[tuple[str, str]]:
    """Module and name of every exception of Python's, of CFiddle's and of the tests' own."""
    for module in sorted(sys.stdlib_module_names):
        if module not in _SKIPPED:
            _load(module)
    for module in list(sys.modules):
        found = sys.modules[module]
        root = module.partition(".")[0]
        if root in sys.stdlib_module_names or root in ("cfiddle", "tests"):
            for name, value in list(vars(found).items()):
                if isinstance(value, type) and issubclass(value, BaseException):
                    yield module, name


def _load(module: str) -> None:
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        for info in pkgutil.iter_modules(getattr(importlib.import_module(module), "__path__", ())):
            if not info.name.startswith(("_", "test")) and info.name not in _SKIPPED:
                with contextlib.suppress(Exception):
                    importlib.import_module(f"{module}.{info.name}")


def records(module: str, name: str, arguments: tuple[Any, ...]) -> Iterator[bytes]:
    """A record of an exception that was raised, and one that is returned with all its state."""
    plain = {key: value for key, value in HOSTILE.items() if not isinstance(value, Exception)}
    yield pickled(("raised", f"{module}.{name}", "text", "trace", (module, name, arguments, plain)))
    body = b"c" + f"{module}\n{name}\n".encode() + _bare(arguments) + b"R" + _bare(HOSTILE) + b"b"
    yield b"\x80\x05\x8c\x05value" + body + b"\x86."


def _bare(value: object) -> bytes:
    # Protocol 2 has no frames: what it writes can stand inside of other pickles.
    return pickle.dumps(value, protocol=2)[2:-1]


def read(record: bytes) -> Any:
    """The exception of a record; or None where it is refused, or told only."""
    from cfiddle_slurm.errors import ResultRejected

    try:
        found = read_records([io.BufferedReader(io.BytesIO(record))], (), EXTRA)
    except ResultRejected:
        return None
    if isinstance(found.raised, RaisedThere):
        return found.raised.exception or found.raised.as_remote_error()
    return found.values[0]


def main() -> None:
    """Show them all; plain ones before, so that the showers have loaded what they need."""
    warnings.simplefilter("ignore")
    logging.raiseExceptions = False
    watch, shown_by = Watch(), ways()
    classes = _different(sorted(set(all_exceptions())))
    _learn(watch, shown_by)
    count = 0
    for module, name in classes:
        some = shown_by if module == "builtins" else dict(list(shown_by.items())[:4])
        for arguments in ARGUMENTS:
            for record in records(module, name, arguments):
                with watch.on():
                    error = read(record)
                if error is None:
                    continue
                for what, way in some.items():
                    _look(watch, what, way, error, f"{module}.{name}{arguments!r:.60}")
                    count += 1
    print(f"{len(classes)} kinds of exceptions, shown {count} times")


def _learn(watch: Watch, shown_by: dict[str, Callable[[BaseException], str]]) -> None:
    """Show plain exceptions, after which more would be noticed: and show some that do more."""
    for plain in (ValueError("a"), SyntaxError("a"), KeyError("a")) * 2:
        for way in shown_by.values():
            watch.usual.update(_found(watch, way, plain))
    for odd in (SyntaxError("a", (FILE, 1, 1, None)), ValueError("\x1b]0;title\x07")):
        if not any(_found(watch, way, odd) for way in shown_by.values()):
            print(f"The watch does not see what becomes of {odd!r}")


def _different(classes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """One of each kind: of those without a way of their own to be shown, one will do."""
    found: dict[tuple[Any, ...], tuple[str, str]] = {}
    for module, name in classes:
        kind = vars(sys.modules[module])[name]
        native = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        own = tuple(getattr(kind, method, None) for method in _SHOWN_BY)
        found.setdefault((native, own, *kind.__bases__[1:]), (module, name))
    return list(found.values())


def _show(watch: Watch, way: Callable[[BaseException], str], error: BaseException) -> str:
    with watch.on():
        return way(error.with_traceback(None))


def _look(
    watch: Watch, what: str, way: Callable[[BaseException], str], error: BaseException, told: str
) -> None:
    if found := _found(watch, way, error):
        print(f"{told} by {what}: {found}")


def _found(watch: Watch, way: Callable[[BaseException], str], error: BaseException) -> list[str]:
    """What an exception did, when it was shown, that a plain one does not."""
    shown = _show(watch, way, error)
    found = [*watch.seen, *(["a terminal's title"] if "\x1b]" in shown or "\x07" in shown else [])]
    watch.seen.clear()
    return found


if __name__ == "__main__":
    main()
