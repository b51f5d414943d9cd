"""Texts of strangers, made fit to be shown.

What an experiment, a student or another machine wrote may hold escape sequences: a terminal that
prints them changes its title, its clipboard or what was printed before (ECMA-48; xterm's
"Control Sequences"). Every such text goes through here on its way to a person.
"""

import re

# C0 without tab and line feed, DEL, C1; and what makes text run the other way (Unicode's UAX #9),
# which shows one thing where another is written. A lone surrogate cannot be written at all.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with everything that is not printed, but obeyed, written out: ``\\x1b``.

    Line feeds and tabs stay.
    """
    return _UNFIT.sub(_written_out, text)


def one_line(text: str) -> str:
    """As :func:`printable`, with all white space, line feeds included, as single blanks."""
    return printable(" ".join(text.split()))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
