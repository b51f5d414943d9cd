"""The handle of a container that there is: attached from before its start, asked, removed."""

import contextlib
import socket
from typing import Any

import docker.errors

from cfiddle_slurm.sandbox.daemon.engine_address import EngineAddress, EngineError, speaking
from cfiddle_slurm.sandbox.daemon.verdict import State, Usage

END_SECONDS = 5.0
"""How long after its stream's end a container may take to be known as ended."""


class Container:
    """One container of an engine.

    Args:
        address: of the engine.
        api: the SDK's client, of the calling thread.
        container_id: in full.
    """

    def __init__(self, address: EngineAddress, api: Any, container_id: str) -> None:
        self.id = container_id
        self._address = address
        self._api = api
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
        with speaking(self._address, "attach to the sandbox"):
            # The SDK gives a file object over the socket; its descriptor is duplicated, since
            # reading must not go through a buffer that a poll(2) does not see.
            self._response = self._api.attach_socket(self.id, params)
            self._socket = socket.socket(fileno=socket.dup(self._response.fileno()))

    def start(self) -> None:
        """Start it.

        Raises:
            EngineError: the engine cannot.
        """
        with speaking(self._address, "start the sandbox"):
            self._api.start(self.id)

    def usage(self) -> Usage:
        """One-shot statistics of the running container; what is not known stays None."""
        try:
            with speaking(self._address, "give statistics"):
                stats = self._api.stats(self.id, stream=False, one_shot=True)
        except EngineError:
            return Usage()
        return parse_usage(stats)

    def state(self) -> State | None:
        """How it ended, or None when the engine does not say."""
        try:
            with speaking(self._address, "inspect the sandbox"):
                found = self._api.inspect_container(self.id)
        except EngineError:
            return None
        state = found.get("State") or {}
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
            speaking(self._address, "wait for the sandbox"),
        ):
            self._api.wait(self.id, timeout=END_SECONDS, condition="not-running")
        return self.state()

    def remove(self) -> None:
        """Kill and remove it, whatever it is doing; if it is gone, that is fine.

        Raises:
            EngineError: it may still be there.
        """
        self.detach()
        with speaking(self._address, "remove the sandbox"):
            try:
                self._api.remove_container(self.id, force=True, v=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                # Somebody else is removing it; wait for that.
                with contextlib.suppress(docker.errors.NotFound):
                    self._api.wait(self.id, condition="removed")

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


def parse_usage(stats: dict[str, Any]) -> Usage:
    """What is of use in the engine's one-shot statistics, of cgroup v1 or v2.

    Only v1 gives a peak. Only in v2 does ``failcnt`` mean out of memory (it is ``oom`` of
    memory.events); in v1 it also counts page cache that was reclaimed.
    """
    memory = stats.get("memory_stats") or {}
    peak = memory.get("max_usage")
    events = None if peak else memory.get("failcnt")
    cpu = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    return Usage(
        peak,
        events,
        (stats.get("pids_stats") or {}).get("current"),
        cpu / 1e9 if isinstance(cpu, int) else None,
    )
