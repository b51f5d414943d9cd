"""What ssh's and Docker's words mean."""

import pytest

from cfiddle_slurm.cluster.hosts import conversations

RESOLVE = "ssh: Could not resolve hostname w9: Name or service not known"
CHANGED = """@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key verification failed."""
DOCKER = (
    "error during connect: Get \"http://docker.example.com/v1.45/info\": command [ssh -o"
    " ConnectTimeout=30 -l root -- w1 docker system dial-stdio] has exited with exit status 255,"
    " make sure the URL is valid, and Docker 18.09 or later is installed on the remote host:"
    " stderr={}"
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "what", "mend"),
    [
        (RESOLVE, "its name cannot be resolved", "DNS"),
        ("ssh: Could not resolve hostname w9: Temporary failure in name resolution",
         "its name cannot be resolved", "DNS"),
        ("ssh: connect to host w1 port 22: Connection refused", "no ssh server answers there",
         "ssh server"),
        ("ssh: connect to host w1 port 22: Connection timed out", "it does not answer", "Switch"),
        ("ssh: connect to host w1 port 22: No route to host", "it does not answer", "Switch"),
        ("root@w1: Permission denied (publickey,password).",
         "it refuses a login without a password", "ssh-copy-id"),
        (CHANGED, "its host key has changed", "ssh-keygen -R"),
        ("No ED25519 host key is known for w1 and you have requested strict checking.\n"
         "Host key verification failed.", "its host key is not known here", "by hand"),
        ("Warning: banner\nsomething \x1b[31mnew\n", "something \\x1b[31mnew", "password"),
        ("", "ssh gave no reason", "password"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way(said: str, what: str, mend: str) -> None:
    found = conversations.obstacle(said)
    assert found.what == what
    assert mend in found.mend


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("kex_exchange_identification: Connection closed by remote host", True),
        ("mux_client_request_session: session request failed: Session open refused by peer", True),
        ("ssh: Could not resolve hostname w1: Temporary failure in name resolution", True),
        ("Error response from daemon: client version 1.50 is too new. Maximum supported API", True),
        (RESOLVE, False),
        ("Error: No such image: x", False),
        ("client_loop: send disconnect: Broken pipe", False),  # it may have been done
        ("", False),
    ],
)
def test_only_what_had_not_begun_is_done_again(said: str, again: bool) -> None:
    assert bool(conversations._AGAIN.search(said)) is again


def test_docker_commands_that_found_no_way() -> None:
    assert conversations.is_unreachable(
        DOCKER.format("ssh: connect to host w1 port 22: No route to host")
    )
    assert conversations.is_unreachable(DOCKER.format(RESOLVE))
    # ssh did its part:
    assert not conversations.is_unreachable(
        "Error: Get https://registry/v2/: dial tcp: i/o timed out"
    )
    assert not conversations.is_unreachable(
        "Cannot connect to the Docker daemon at unix:///var/run"
    )
