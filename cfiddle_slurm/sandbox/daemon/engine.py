"""The calls to the container engine, through the Docker SDK."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import urllib3.exceptions

from cfiddle_slurm.sandbox.daemon.container import INSTANCE, JOB_LABEL, LABEL, parse_usage
from cfiddle_slurm.sandbox.daemon.verdict import State, Usage

ENGINE_URL = "unix:///var/run/docker.sock"
ENGINE_SECONDS = 30.0
"""How long the engine may take for one answer."""
END_SECONDS = 5.0
"""How long after its stream's end a container may take to be known as ended."""
OLDEST_API = (1, 42)
"""Of Docker 23, the first whose default profile knows CAP_PERFMON."""


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


class Engine:
    """Connections to a container engine; one object per thread."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._client: Any = None

    def api(self) -> Any:
        """The SDK's client."""
        if self._client is None:
            # Asking for the version costs the engine a process: once per sandboxd is enough.
            version = self.address.api_version or self._ask_version()
            self._client = docker.APIClient(self.address.url, version, ENGINE_SECONDS)
        return self._client

    def _ask_version(self) -> str:
        # Of this client only an address without a version in it is used.
        client = docker.APIClient(self.address.url, "1.44", ENGINE_SECONDS)
        try:
            facts = client.version(api_version=False)
        finally:
            client.close()
        version, engine = str(facts["ApiVersion"]), str(facts["Version"])
        if tuple(map(int, version.split("."))) < OLDEST_API:
            raise EngineError(
                f"The node's container engine {engine} is too old: Docker 23 or newer is needed."
            )
        self.address.api_version, self.address.engine_version = version, engine
        return version

    def close(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def check(self, image: str) -> None:
        """Make sure that a run could start.

        Raises:
            EngineError: the engine does not answer, is too old, or lacks the image.
        """
        with _speaking(self.address, f"find the image {image!r}"):
            self.api().inspect_image(image)

    def label(self, image: str, name: str) -> str | None:
        """An image's label, or None when it has none of this name.

        Raises:
            EngineError: the engine does not answer, or lacks the image.
        """
        with _speaking(self.address, f"find the image {image!r}"):
            facts = self.api().inspect_image(image)
        return ((facts.get("Config") or {}).get("Labels") or {}).get(name)

    def labelled(self, repository: str, name: str, value: str) -> list[str]:
        """The tags of a repository whose images have a label, the newest first.

        Raises:
            EngineError: the engine does not answer.
        """
        with _speaking(self.address, f"list the images {repository!r}"):
            found = self.api().images(repository, filters={"label": [f"{name}={value}"]})
        newest = sorted(found, key=lambda image: image["Created"], reverse=True)
        return [tag for image in newest for tag in image.get("RepoTags") or ()]

    def create(self, arguments: dict[str, Any], run_id: str) -> "Container":
        """Create and attach a container; it does not run yet.

        Raises:
            EngineError: as it says; nothing is left behind.
        """
        with _speaking(self.address, "create the sandbox"):
            name = f"cfiddle-sandbox-{run_id}"
            created = self.api().create_container_from_config(arguments, name)
        container = Container(self, created["Id"])
        try:
            container.attach()
        except EngineError:
            self.remove(container.id)
            raise
        return container

    def leftovers(self, job_id: str | None = None) -> list[str]:
        """Ids of this instance's containers, running or not, of one job or of all.

        Raises:
            EngineError: the engine does not answer.
        """
        labels = [f"{LABEL}={self.address.instance}"]
        if job_id is not None:
            labels.append(f"{JOB_LABEL}={job_id}")
        with _speaking(self.address, "list the sandboxes"):
            found = self.api().containers(all=True, filters={"label": labels})
        return [str(container["Id"]) for container in found]

    def remove(self, container_id: str) -> None:
        """Kill and remove a container; one that is gone is fine.

        Raises:
            EngineError: it may still be there.
        """
        with _speaking(self.address, "remove the sandbox"):
            try:
                self.api().remove_container(container_id, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                # Somebody else is removing it; wait for that.
                with contextlib.suppress(docker.errors.NotFound):
                    self.api().wait(container_id, condition="removed")


class Container:
    """One container of an engine, attached from before its start."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.id = container_id
        self._engine = engine
        self._response: Any = None
        self._socket: socket.socket | None = None

    @property
    def short_id(self) -> str:
        """The first 12 digits, as the engine's own tools show it."""
        return self.id[:12]

    @property
    def socket(self) -> socket.socket:
        """The attached stream: stdin goes in, the engine's mixture of stdout and stderr comes."""
        if self._socket is None:
            raise EngineError("The sandbox is not attached.")
        return self._socket

    def attach(self) -> None:
        """Connect to stdin, stdout and stderr; before the start, so that nothing is missed.

        Raises:
            EngineError: the engine refuses.
        """
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with _speaking(self._engine.address, "attach to the sandbox"):
            # The SDK gives a file object over the socket; its descriptor is duplicated, since
            # reading must not go through a buffer that a poll(2) does not see.
            self._response = self._engine.api().attach_socket(self.id, params)
            self._socket = socket.socket(fileno=socket.dup(self._response.fileno()))

    def start(self) -> None:
        """Start it.

        Raises:
            EngineError: the engine cannot.
        """
        with _speaking(self._engine.address, "start the sandbox"):
            self._engine.api().start(self.id)

    def usage(self) -> Usage:
        """One-shot statistics of the running container; what is not known stays None."""
        try:
            with _speaking(self._engine.address, "give statistics"):
                stats = self._engine.api().stats(self.id, stream=False, one_shot=True)
        except EngineError:
            return Usage()
        return parse_usage(stats)

    def state(self) -> State | None:
        """How it ended, or None when the engine does not say."""
        try:
            with _speaking(self._engine.address, "inspect the sandbox"):
                facts = self._engine.api().inspect_container(self.id)
        except EngineError:
            return None
        state = facts.get("State") or {}
        return State(
            bool(state.get("OOMKilled")),
            state.get("ExitCode"),
            running=bool(state.get("Running")),
        )

    def state_at_end(self) -> State | None:
        """How it ended, once its stream did; an end that the engine must yet notice is waited for.

        Still running is what has only lost its stream.
        """
        with (
            contextlib.suppress(EngineError),
            _speaking(self._engine.address, "wait for the sandbox"),
        ):
            self._engine.api().wait(self.id, timeout=END_SECONDS, condition="not-running")
        return self.state()

    def remove(self) -> None:
        """Kill and remove it, whatever it is doing.

        Raises:
            EngineError: it may still be there.
        """
        self.detach()
        self._engine.remove(self.id)

    def detach(self) -> None:
        """Close the attached stream."""
        if self._socket is not None:
            # Closing is not enough, since the SDK's objects hold the connection, too; and the
            # engine cannot remove a container whose output it is still waiting to hand over.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        # The HTTP response behind the SDK's file object, too: left to itself it would find the
        # file closed when it is collected, and complain.
        behind = getattr(self._response, "_response", None)
        for end in (self._socket, behind, self._response):
            if end is not None:
                end.close()
        self._socket = self._response = None


@contextlib.contextmanager
def _speaking(address: EngineAddress, action: str) -> Iterator[None]:
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
