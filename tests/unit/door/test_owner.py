"""Whose a connection is."""

import os
import socket

import pytest

from cfiddle_slurm.door.owner import NobodysError, parse_answer, uid_of


def test_the_kernel_knows_whose_a_connection_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = listener.getsockname()
        with socket.create_connection(here) as caller:
            place = caller.getsockname()
            assert uid_of(place, here) == os.getuid()
        # Closed, it is nobody's; and what listens there is no caller.
        with pytest.raises(NobodysError):
            uid_of(place, here)
        with pytest.raises(NobodysError):
            uid_of(here, ("127.0.0.1", 1))


@pytest.mark.parametrize("answer", [b"", bytes(16), bytes(200), b"\xff" * 200])
def test_an_answer_that_names_nobody(answer: bytes) -> None:
    with pytest.raises(NobodysError):
        parse_answer(answer)
