"""Texts of strangers, made fit to be shown.

What an experiment, a student or another machine wrote may hold escape sequences: a terminal that
prints them changes its title, its clipboard or what was printed before (ECMA-48; xterm's
"Control Sequences"). Every such text goes through here on its way to a person.
"""

import re

# C0 without tab and line feed, DEL, C1; and what makes text run the other way (Unicode's UAX #9),
# which shows one thing where another is written, as does what takes no room (the joiners of emoji
# and of some scripts excepted). A lone surrogate cannot be written at all.
_FORMATS = (
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_UNFIT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_FORMATS}]")
# Live output may also return to the line's beginning, go back a character, and have colours
# ("Select Graphic Rendition"), as progress bars and compilers do.
_COLOUR = "\x1b\\[[0-9:;]{0,64}m"
_LIVE = re.compile(f"({_COLOUR})|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f{_FORMATS}]")
_BEGUN = re.compile("\x1b(\\[[0-9:;]{0,64})?\\Z")
_PLAIN_AGAIN = frozenset(("\x1b[m", "\x1b[0m"))


def printable(text: str) -> str:
    """The text with everything that is not printed, but obeyed, written out: ``\\x1b``.

    Line feeds and tabs stay.
    """
    return _UNFIT.sub(_written_out, text)


def one_line(text: str) -> str:
    """As :func:`printable`, with all white space, line feeds included, as single blanks."""
    return printable(" ".join(text.split()))


class Live:
    """Makes a program's output fit to be shown as it comes, in pieces that end anywhere.

    Of what a terminal obeys, line feeds, tabs, carriage returns, backspaces and colours stay; all
    else is written out: titles, the clipboard, cursors that go elsewhere.
    """

    def __init__(self) -> None:
        self._begun = ""
        self._coloured = False

    def shown(self, text: str, *, final: bool = False) -> str:
        """What is to be shown of the next piece.

        Args:
            text: the piece.
            final: it is the last one: what it has begun is shown, and colours end.
        """
        text = self._begun + text
        begun = None if final else _BEGUN.search(text)
        self._begun = begun[0] if begun else ""
        found = _LIVE.sub(self._kept, text[: len(text) - len(self._begun)])
        if final and self._coloured:
            self._coloured = False
            found += "\x1b[0m"
        return found

    def _kept(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return _written_out(match)
        self._coloured = match[1] not in _PLAIN_AGAIN
        return match[1]


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
