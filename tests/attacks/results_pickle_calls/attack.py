"""Pickles that call something."""

from tests.attacks.student import Student

COMMAND = "touch executed"


def text(value: str) -> bytes:
    """Push a text."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    """Push what a module calls by a name."""
    return text(module) + text(name) + b"\x93"


def record(value: bytes) -> bytes:
    """A whole record."""
    return b"\x80\x05" + text("result") + value + b"\x86."


ARGUMENT = text(COMMAND) + b"\x85"
LINE = COMMAND.encode()
PICKLES = {
    "REDUCE of a function": record(named("os", "system") + ARGUMENT + b"R"),
    "REDUCE by its other name": record(named("posix", "system") + ARGUMENT + b"R"),
    "REDUCE and GLOBAL": record(b"cos\nsystem\n" + ARGUMENT + b"R"),
    "REDUCE of code": record(
        named("builtins", "exec") + text(f"import os; os.system({COMMAND!r})") + b"\x85R"
    ),
    "INST": b"(S'result'\n(S'" + LINE + b"'\nios\nsystem\nt.",
    "OBJ": b"(S'result'\n(cos\nsystem\nS'" + LINE + b"'\not.",
    "NEWOBJ": record(named("subprocess", "Popen") + text("id") + b"\x85\x81"),
    "NEWOBJ_EX": record(
        named("subprocess", "Popen") + b")" + b"}" + text("args") + text("id") + b"s\x92"
    ),
    "a compiler of CFiddle's": record(
        named("cfiddle.Toolchain.Clang", "ClangToolchain")
        + text("c++")
        + text("executed")
        + b"\x86R"
    ),
    "a call inside an argument": record(
        named("collections", "OrderedDict") + named("os", "system") + ARGUMENT + b"R\x85R"
    ),
}


def attack(student: Student) -> list[str]:
    """The pickles that were not rejected."""
    return student.not_loaded(PICKLES, "(refers to|tries to call|tries to make)")
