"""Exceptions that do their harm when they are shown; this module is in the sandbox, too."""

from __future__ import annotations

import os
import pickle
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the sandbox does not have it
    from tests.attacks.student import Student

FIFO = "fifo"
FAR = 1 << 40
MOST = 512 << 20


class Inside:
    """What is called in the sandbox."""

    def forge(self, records: bytes) -> None:
        """End with these records, and no others."""
        Path("../results/0").write_bytes(records)
        Path("../results/0.done").touch()
        os._exit(0)

    def fail(self, file: str) -> None:
        """Raise what honest code could raise, too."""
        if file:
            raise SyntaxError("boom", (file, 1, 1, None))
        raise ImportError("no", name="evilmod", path="evilmod.py")


def raised(module: str, name: str, /, *arguments: Any, **attributes: Any) -> bytes:
    """The record of an exception."""
    form = (module, name, arguments, attributes)
    return pickle.dumps(("raised", f"{module}.{name}", "text", "trace", form), protocol=5)


def returned(kind: str, arguments: bytes, /, **state: bytes) -> bytes:
    """The record of an exception with a state, as a value."""
    names = {name: b"\x8c" + bytes([len(name)]) + name.encode() for name in state}
    items = b"".join(names[name] + value for name, value in state.items())
    made = f"cbuiltins\n{kind}\n".encode() + arguments + b"R}(" + items + b"ub"
    return b"\x80\x05\x8c\x05value" + made + b"\x86."


SELF = b"cbuiltins\nExceptionGroup\n\x8c\x01a]\x94cbuiltins\nValueError\n)Ra\x86R"
RECORDS = {
    "a module to suggest names of": raised(
        "builtins", "ImportError", "no", name="evilmod", name_from="x"
    ),
    "the same as a value": returned(
        "ImportError", b")", name=b"\x8c\x07evilmod", name_from=b"\x8c\x01x"
    ),
    "a file without an end": raised("builtins", "SyntaxError", "boom", ("/dev/zero", 1, 1, None)),
    "a file that nobody writes": raised("builtins", "SyntaxError", "boom", (FIFO, 1, 1, None)),
    "a place far away": raised(
        "builtins", "UnicodeDecodeError", "utf-8", b"a", -FAR, 1 - FAR, "reason"
    ),
    "a group": b"\x80\x05\x8c\x05value" + SELF + b"\x86.",
    "a title": raised("builtins", "ValueError", "\x1b]0;title\x07"),
    "a way to be shown": raised(
        "builtins", "ValueError", "a", _render_traceback_="b", __notes__=["\x1b[2J"]
    ),
}


def attack(student: Student) -> list[str]:
    """What happened while they were shown."""
    from IPython.core.interactiveshell import InteractiveShell

    Path("evilmod.py").write_text("import pathlib; pathlib.Path('executed').touch()")
    os.mkfifo(FIFO)
    shell = InteractiveShell.instance()
    wrong = []
    ways: dict[str, tuple[str, Any]] = {what: ("forge", raw) for what, raw in RECORDS.items()}
    ways |= {f"raised: {file}": ("fail", file) for file in ("", "/dev/zero", FIFO)}
    for what, (method, argument) in ways.items():
        shown = _shown(shell, method, argument)
        print(f"{what}: {shown[-300:]!r}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert "cannot be imported" not in shown, shown
        if Path("executed").exists() or peak > MOST or "\x1b]" in shown or "\x1b[2J" in shown:
            wrong.append(f"{what}: {peak} bytes, {shown[-300:]!r}")
    return wrong


def _shown(shell: Any, method: str, argument: Any) -> str:
    import contextlib
    import io
    import traceback

    import cfiddle_slurm
    from cfiddle_slurm import errors

    delegate = cfiddle_slurm.SlurmSandboxDelegate(scheduler="slurm")
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        try:
            value = delegate.invoke(Inside(), method, argument)
        except errors.ResultRejected as error:
            return f"{error}"
        except Exception as error:
            shell.showtraceback()
            traceback.print_exception(error, file=stream)
        else:
            shell.display_formatter.format(value)
            if isinstance(value, Exception):
                traceback.print_exception(value, file=stream)
    return stream.getvalue()
