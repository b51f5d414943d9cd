"""Where the container engine is, and how a call to it fails: in a sentence."""

import contextlib
from collections.abc import Iterator

import docker.errors
import urllib3.exceptions

from cfiddle_slurm.sandbox.daemon.container_config import INSTANCE

ENGINE_URL = "unix:///var/run/docker.sock"


class EngineError(Exception):
    """The container engine could not do what was asked: one sentence.

    Args:
        message: the sentence.
        cause: the same in a few words, for whoever looks after the machine.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause or message


class EngineAddress:
    """Where the engine is, and what is known about it.

    Args:
        url: of its socket.
        instance: only containers labelled with it are seen and touched.
    """

    def __init__(self, url: str = ENGINE_URL, instance: str = INSTANCE) -> None:
        self.url = url
        self.instance = instance
        self.api_version: str | None = None
        self.engine_version: str | None = None

    def forget(self) -> None:
        """Ask again: the engine may have been replaced by another version."""
        self.api_version = self.engine_version = None


@contextlib.contextmanager
def speaking(address: EngineAddress, action: str) -> Iterator[None]:
    """Turn whatever a call to the engine raises into an EngineError.

    The SDK lets errors of requests and urllib3 through (the former are OSErrors), and ValueError
    for an answer that is not JSON.
    """
    said = "The node's container engine cannot"
    try:
        yield
    except docker.errors.ImageNotFound as error:
        reason = str(error.explanation or error)
        raise EngineError(
            f"{said} {action}: {reason}", f"the sandbox image is missing ({reason})"
        ) from error
    except docker.errors.APIError as error:
        reason = str(error.explanation or error)
        if "client version" in reason:
            address.forget()
        raise EngineError(
            f"{said} {action}: {reason}", f"Docker cannot {action}: {reason}"
        ) from error
    except (
        docker.errors.DockerException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
    ) as error:
        raise EngineError(f"{said} {action}: {error}", "Docker does not answer") from error
