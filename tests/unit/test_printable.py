"""No text of a stranger is obeyed by a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.printable import one_line, printable


def test_escape_sequences_are_written_out() -> None:
    assert printable("a\x1b]0;title\x07b") == r"a\x1b]0;title\x07b"
    assert printable("\x9b31m\x7f\r") == r"\x9b31m\x7f\x0d"
    assert printable("\u202eleft\u2066\ud800") == r"\u202eleft\u2066\ud800"


def test_ordinary_texts_stay() -> None:
    text = "Grüße, 数字, café\n\tθ = 3 µs 👍🏽"
    assert printable(text) == text


def test_one_line() -> None:
    assert one_line(" a\n b\t\x1b[2J c ") == r"a b \x1b[2J c"


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_unfit_is_left(text: str) -> None:
    shown = printable(text)
    assert all(char in "\n\t" or ord(char) >= 0x20 for char in shown)
    assert not set(shown) & set(map(chr, range(0x7F, 0xA0)))
    shown.encode()
