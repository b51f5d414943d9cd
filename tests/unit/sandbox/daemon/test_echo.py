"""The word that says that all output has come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.sandbox.daemon.echo import Echo
from cfiddle_slurm.sandbox.protocol import HEADER_BYTES, PING, parse_header


def word_of(echo: Echo) -> bytes:
    frame = echo.frame()
    kind, length = parse_header(frame[:HEADER_BYTES])
    assert (kind, length) == (PING, len(frame) - HEADER_BYTES)
    return frame[HEADER_BYTES:]


@given(st.binary(max_size=100), st.lists(st.integers(1, 40), max_size=20))
def test_all_output_and_no_more_comes_out_however_it_is_cut(said: bytes, cuts: list[int]) -> None:
    echo = Echo()
    rest, out = said + word_of(echo), b""
    for cut in cuts:
        out += echo.take(rest[:cut])
        rest = rest[cut:]
    out += echo.take(memoryview(rest))
    assert (out, echo.heard, echo.rest()) == (said, True, b"")


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_word_that_was_not_said_to_its_end_is_output(length: int) -> None:
    echo = Echo()
    said = b"so far" + word_of(echo)[:length]
    assert echo.take(said) + echo.rest() == said
    assert not echo.heard


def test_nobody_knows_it_before() -> None:
    assert word_of(Echo()) != word_of(Echo())
