"""The calls to the container engine, through the Docker SDK."""

from typing import Any

import docker

from cfiddle_slurm.sandbox.daemon.container_config import JOB_LABEL, LABEL
from cfiddle_slurm.sandbox.daemon.container_handle import Container
from cfiddle_slurm.sandbox.daemon.engine_address import EngineAddress, EngineError, speaking

ENGINE_SECONDS = 30.0
"""How long the engine may take for one answer."""
OLDEST_API = (1, 42)
"""Of Docker 23, the first whose default profile knows CAP_PERFMON."""


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
        with speaking(self.address, f"find the image {image!r}"):
            self.api().inspect_image(image)

    def label(self, image: str, name: str) -> str | None:
        """An image's label, or None when it has none of this name.

        Raises:
            EngineError: the engine does not answer, or lacks the image.
        """
        with speaking(self.address, f"find the image {image!r}"):
            facts = self.api().inspect_image(image)
        return ((facts.get("Config") or {}).get("Labels") or {}).get(name)

    def labelled(self, repository: str, name: str, value: str) -> list[str]:
        """The tags of a repository whose images have a label, the newest first.

        Raises:
            EngineError: the engine does not answer.
        """
        with speaking(self.address, f"list the images {repository!r}"):
            found = self.api().images(repository, filters={"label": [f"{name}={value}"]})
        newest = sorted(found, key=lambda image: image["Created"], reverse=True)
        return [tag for image in newest for tag in image.get("RepoTags") or ()]

    def create(self, arguments: dict[str, Any], run_id: str) -> Container:
        """Create and attach a container; it does not run yet.

        Raises:
            EngineError: as it says; nothing is left behind.
        """
        with speaking(self.address, "create the sandbox"):
            name = f"cfiddle-sandbox-{run_id}"
            created = self.api().create_container_from_config(arguments, name)
        container = Container(self.address, self.api(), created["Id"])
        try:
            container.attach()
        except EngineError:
            container.remove()
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
        with speaking(self.address, "list the sandboxes"):
            found = self.api().containers(all=True, filters={"label": labels})
        return [str(container["Id"]) for container in found]

    def remove(self, container_id: str) -> None:
        """Kill and remove a container; one that is gone is fine.

        Raises:
            EngineError: it may still be there.
        """
        with speaking(self.address, "remove the sandbox"):
            Container(self.address, self.api(), container_id).remove()
