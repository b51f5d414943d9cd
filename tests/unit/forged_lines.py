"""Lines of results that nobody honest writes, and what is said of them."""

import json
from typing import Any

from cfiddle_slurm.bundle.layout import LONGEST_LINE


def line(value: Any) -> bytes:
    """A value as a line."""
    return json.dumps(value).encode() + b"\n"


def result(**changes: Any) -> bytes:
    """A result with some of its parts changed."""
    whole = {"kind": "result", "number": 0, "names": ["a"], "rows": [["1"]], "value": 1, **changes}
    return line(list(whole.values()))


def raw_result(value: str, names: str = '["a"]', rows: str = '[["1"]]', number: str = "0") -> bytes:
    """A result of which some parts may be no JSON."""
    return f'["result",{number},{names},{rows},{value}]\n'.encode()


def raised(form: Any) -> bytes:
    """An exception with a form."""
    return line(["raised", "a.E", "text", "trace", form])


NO_RESULT = "a line that is not a result"
NO_JSON = "a line that is not JSON"
NOTHING = "an object that stands for nothing"
FIT = "a row that does not fit its table"
MORE = "a row that holds more than numbers and text"
NOT_SENT = "an invocation that was not sent"
FORGED: dict[str, tuple[bytes, str]] = {
    "no number": (raw_result("NaN"), "NaN, which is not a number"),
    "an infinity": (raw_result("1", rows="[[-Infinity]]"), "-Infinity, which is not a number"),
    "beyond all floats": (raw_result("1", rows="[[1e999]]"), "1e999, which is not a number"),
    "a huge whole number": (raw_result("9" * 5000), "a number of 5000 digits"),
    "a huge number of an invocation": (raw_result("1", number="9" * 4000), "4000 digits"),
    "a number with a point for an invocation": (result(number=0.0), NOT_SENT),
    "a truth for an invocation": (result(number=True), NOT_SENT),
    "no invocation": (result(number=None), NOT_SENT),
    "a negative invocation": (result(number=-1), NOT_SENT),
    "an invocation that was not sent": (result(number=3), NOT_SENT),
    "an invocation twice": (result() + result(number=1) + result(), "invocation 0 twice"),
    "rows after the result": (
        result() + line(["rows", 0, ["a"], [["1"]]]), "invocation 0 twice",
    ),
    "rows of another between": (
        line(["rows", 0, ["a"], [["1"]]]) + result(number=1), "invocation 0 break off",
    ),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000 + b"\n", "nested too deeply"),
    "deep objects": (b'{"tuple":[' * 50_000 + b"]}" * 50_000 + b"\n", "nested too deeply"),
    "a deep value": (result(value=json.loads("[" * 200 + "]" * 200)), NO_RESULT),
    "not UTF-8": (b'["result",0,["\xff"],[["1"]],1]\n', "is not UTF-8"),
    "half a character in bytes": (b'["result",0,["\xed\xa0\x80"],[["1"]],1]\n', "is not UTF-8"),
    "half a character": (raw_result("1", names='["\\ud800"]'), "half a character"),
    "half a character after backslashes": (
        raw_result("1", rows='[["\\\\\\\\\\uDfff"]]'), "half a character",
    ),
    "two halves": (raw_result('"\\ud83d\\ude00"'), "half a character"),
    "a mark of order": (b"\xef\xbb\xbf" + result(), NO_JSON),
    "no JSON": (b"hello\n", NO_JSON),
    "an empty line": (b"\n", NO_JSON),
    "a zero byte": (result()[:-1] + b"\0\n", NO_JSON),
    "two values": (result()[:-1] * 2 + b"\n", NO_JSON),
    "a comma too many": (raw_result("1,"), NO_JSON),
    "a control character": (raw_result('"\x1b"'), NO_JSON),
    "a pickle": (b"\x80\x05N.\n", "is not UTF-8"),
    "a pickle of text": (b"cos\nsystem\n", NO_JSON),
    "a number only": (b"1\n", NO_RESULT),
    "a text only": (b'"result"\n', NO_RESULT),
    "no record": (b"[]\n", NO_RESULT),
    "another kind": (result(kind="value"), NO_RESULT),
    "a tuple of a record": (line({"tuple": ["result", 0, [], [], 1]}), NO_RESULT),
    "a part too few": (line(["result", 0, [], []]), NO_RESULT),
    "a part too many": (line(["result", 0, [], [], 1, 1]), NO_RESULT),
    "a table for names": (result(names={"dict": []}), NO_RESULT),
    "a text for rows": (result(rows="1"), NO_RESULT),
    "a list for a value": (result(value=[1]), NO_RESULT),
    "a tuple for a value": (result(value={"tuple": []}), NO_RESULT),
    "names that are numbers": (result(names=[1]), "columns have no names"),
    "names that are lists": (result(names=[["a"]]), "columns have no names"),
    "two columns of one name": (
        result(names=["a", "a"], rows=[["1", "2"]]), "two columns of one name",
    ),
    "a row that is an object": (result(rows=[{"tuple": ["1"]}]), FIT),
    "a row too short": (result(rows=[[]]), FIT),
    "a row too long": (result(rows=[["1", "2"]]), FIT),
    "a list in a column": (result(rows=[[["1"]]]), MORE),
    "bytes in a column": (result(rows=[[{"bytes": "ff"}]]), MORE),
    "lists in what has no column": (result(names=[None], rows=[[[["1"]]]]), MORE),
    "an object": (result(value={"a": 1}), NOTHING),
    "an empty object": (result(value={}), NOTHING),
    "a key twice": (raw_result('{"bytes":"00","bytes":"ff"}'), NOTHING),
    "two kinds": (result(value={"bytes": "", "float": "nan"}), NOTHING),
    "bytes that are none": (result(value={"bytes": "x"}), NO_JSON),
    "bytes of a number": (result(value={"bytes": 1}), NOTHING),
    "a float of another name": (result(value={"float": "1.5"}), NOTHING),
    "a table of no pairs": (raised(["m", "E", {"tuple": []}, {"dict": [1]}]), NO_JSON),
    "a list as a key": (raised(["m", "E", {"tuple": []}, {"dict": [[[], 1]]}]), NO_JSON),
    "an exception without texts": (line(["raised", 1, "b", "c", None]), NO_RESULT),
    "an exception of another form": (raised([1, "E", {"tuple": []}, {"dict": []}]), "unknown form"),
    "an exception of a short form": (raised(["m", "E"]), "unknown form"),
    "an exception of no form": (raised([]), "unknown form"),
    "an exception of lists": (raised(["m", "E", [], {"dict": []}]), "unknown form"),
    "garbage without an end": (result() + b"\x80\x05N.", "is not UTF-8"),
}  # fmt: skip
_FULL = LONGEST_LINE - 100


def many(item: str) -> str:
    """A list of an item, as long as may be."""
    return f"[{item * (_FULL // len(item.encode()))}1]"


HUGE: dict[str, tuple[bytes, str]] = {
    "a line too long": (b'["r' + b" " * LONGEST_LINE + b"\n", "a line of more than 4 MiB"),
    "digits": (raw_result("9" * _FULL), f"a number of {_FULL} digits"),
    "digits after a point": (raw_result("1" + "0" * _FULL + ".5"), "which is not a number"),
    "empty lists": (raw_result("1", rows=many("[],")), FIT),
    "lists of lists": (raw_result(many("[[]],")), NO_RESULT),
    "empty tuples": (raw_result(many('{"tuple":[]},')), NO_RESULT),
    "tables": (raw_result(many('{"dict":[]},')), NO_RESULT),
    "short texts": (raw_result(many('"ĀĀ",')), NO_RESULT),
    "names": (raw_result("1", names=many("1,")), "columns have no names"),
    "spaces": (raw_result("1" + " " * _FULL + "x"), NO_JSON),
    "quotes": (raw_result('"' + '\\"' * (_FULL // 2)), NO_JSON),
}
"""Lines as long as may be, or longer, which ask for memory or time."""
DAMAGED = (
    line(["rows", 0, ["a", "b"], [["1", None], ["2", "x"]]])
    + result(value={"float": "nan"})
    + result(number=2, value={"bytes": "ff00"}, names=["a", None], rows=[["1", ["2", "3"]]])
    + raised(["cfiddle.Runner", "MissingArgument", {"tuple": [1, "a"]}, {"dict": [["a", 1.5]]}])
)
"""Honest lines, to be damaged."""
