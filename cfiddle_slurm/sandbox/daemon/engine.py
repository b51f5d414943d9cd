"""The container engine, through the Docker SDK: where it is, what it does, its containers."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import urllib3.exceptions

from cfiddle_slurm.sandbox.daemon.container_config import INSTANCE, JOB_LABEL, LABEL
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


class Engine:
    """Connections to a container engine; one object per thread. What fails raises EngineError."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._client: Any = None

    @contextlib.contextmanager
    def asked(self, action: str) -> Iterator[Any]:
        """The SDK's client, for one call; whatever that raises becomes an EngineError.

        The SDK lets errors of requests and urllib3 through (the former are OSErrors), and
        ValueError for an answer that is not JSON.
        """
        said = "The node's container engine cannot"
        try:
            yield self._api()
        except docker.errors.ImageNotFound as error:
            reason = str(error.explanation or error)
            raise EngineError(
                f"{said} {action}: {reason}", f"the sandbox image is missing ({reason})"
            ) from error
        except docker.errors.APIError as error:
            reason = str(error.explanation or error)
            if "client version" in reason:
                # Ask again: the engine may have been replaced by another version.
                self.address.api_version = self.address.engine_version = None
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

    def _api(self) -> Any:
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
        """Make sure that a run could start: the engine answers, is not too old, has the image."""
        with self.asked(f"find the image {image!r}") as api:
            api.inspect_image(image)

    def label(self, image: str, name: str) -> str | None:
        """An image's label, or None when it has none of this name."""
        with self.asked(f"find the image {image!r}") as api:
            facts = api.inspect_image(image)
        return ((facts.get("Config") or {}).get("Labels") or {}).get(name)

    def labelled(self, repository: str, name: str, value: str) -> list[str]:
        """The tags of a repository whose images have a label, the newest first."""
        with self.asked(f"list the images {repository!r}") as api:
            found = api.images(repository, filters={"label": [f"{name}={value}"]})
        newest = sorted(found, key=lambda image: image["Created"], reverse=True)
        return [tag for image in newest for tag in image.get("RepoTags") or ()]

    def create(self, arguments: dict[str, Any], run_id: str) -> "Container":
        """Create and attach a container; it does not run yet. Of one that fails nothing is left."""
        with self.asked("create the sandbox") as api:
            created = api.create_container_from_config(arguments, f"cfiddle-sandbox-{run_id}")
        try:
            # Before the start, so that nothing is missed.
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            with self.asked("attach to the sandbox") as api:
                return Container(self, created["Id"], api.attach_socket(created["Id"], params))
        except EngineError:
            self.remove(created["Id"])
            raise

    def leftovers(self, job_id: str | None = None) -> list[str]:
        """Ids of this instance's containers, running or not, of one job or of all."""
        labels = [f"{LABEL}={self.address.instance}"]
        if job_id is not None:
            labels.append(f"{JOB_LABEL}={job_id}")
        with self.asked("list the sandboxes") as api:
            found = api.containers(all=True, filters={"label": labels})
        return [str(container["Id"]) for container in found]

    def remove(self, container_id: str) -> None:
        """Kill and remove a container, whatever it is doing; one that is gone is fine."""
        with self.asked("remove the sandbox") as api:
            try:
                api.remove_container(container_id, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                # Somebody else is removing it; wait for that.
                with contextlib.suppress(docker.errors.NotFound):
                    api.wait(container_id, condition="removed")


class Container:
    """One container of an engine, attached from before its start. As there: EngineError.

    Attributes:
        socket: stdin goes in, the engine's mixture of stdout and stderr comes.
        short_id: the first 12 digits of its id, as the engine's own tools show it.
    """

    def __init__(self, engine: Engine, container_id: str, response: Any) -> None:
        self._engine, self._id, self._response = engine, container_id, response
        self.short_id = container_id[:12]
        # The SDK gives a file object over the socket; its descriptor is duplicated, since reading
        # must not go through a buffer that a poll(2) does not see.
        self.socket = socket.socket(fileno=socket.dup(response.fileno()))

    def start(self) -> None:
        """Start it."""
        with self._engine.asked("start the sandbox") as api:
            api.start(self._id)

    def usage(self) -> Usage:
        """One-shot statistics of the running container; what is not known stays None."""
        try:
            with self._engine.asked("give statistics") as api:
                stats = api.stats(self._id, stream=False, one_shot=True)
        except EngineError:
            return Usage()
        return parse_usage(stats)

    def state(self) -> State | None:
        """How it ended, or None when the engine does not say."""
        try:
            with self._engine.asked("inspect the sandbox") as api:
                found = api.inspect_container(self._id)
        except EngineError:
            return None
        state = found.get("State") or {}
        running = bool(state.get("Running"))
        return State(bool(state.get("OOMKilled")), state.get("ExitCode"), running=running)

    def state_at_end(self) -> State | None:
        """How it ended, once its stream did; an end that the engine must yet notice is waited for.

        Still running is what has only lost its stream.
        """
        with contextlib.suppress(EngineError), self._engine.asked("wait for the sandbox") as api:
            api.wait(self._id, timeout=END_SECONDS, condition="not-running")
        return self.state()

    def remove(self) -> None:
        """Let go of its stream, and remove it."""
        # Closing is not enough, since the SDK's objects hold the connection, too; and the engine
        # cannot remove a container whose output it is still waiting to hand over.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        # The HTTP response behind the SDK's file object, too: left to itself it would find the
        # file closed when it is collected, and complain.
        behind = getattr(self._response, "_response", None)
        for end in (self.socket, behind, self._response):
            if end is not None:
                end.close()
        self._engine.remove(self._id)


def parse_usage(stats: dict[str, Any]) -> Usage:
    """What is of use in the engine's one-shot statistics, of cgroup v1 or v2.

    Only v1 gives a peak. Only in v2 does ``failcnt`` mean out of memory (it is ``oom`` of
    memory.events); in v1 it also counts page cache that was reclaimed.
    """
    memory = stats.get("memory_stats") or {}
    peak = memory.get("max_usage")
    cpu = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    return Usage(
        peak,
        None if peak else memory.get("failcnt"),
        (stats.get("pids_stats") or {}).get("current"),
        cpu / 1e9 if isinstance(cpu, int) else None,
    )
