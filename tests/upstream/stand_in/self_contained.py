"""Stands in for the newer CFiddle's ``cfiddle.SelfContainedExecutionMethod`` in tests."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from delegate_function import DelegateGenerator

_PLACE = "cfiddle.SelfContainedExecutionMethod"


class SelfContainedExecutionMethod:
    """Packs a run into itself, and has a delegate carry it out."""

    def __init__(self, function_delegator: Any) -> None:
        self._function_delegator = function_delegator

    def execute(self, command: list[str], runner: Any) -> None:
        """As CFiddle asks every such object."""
        self._command, self._runner = command, runner
        self._inputs_file = io.BytesIO()
        libraries = {one.executable.lib for one in runner.get_invocations()}
        with zipfile.ZipFile(self._inputs_file, "w") as archive:
            for library in libraries:
                archive.write(library, library)
        self._function_delegator.invoke(self, "_do_execution")
        # The real one extracts whatever is there, and obeys the manifest.
        with zipfile.ZipFile(self._outputs_file) as archive:
            archive.extractall()
            manifest = json.loads(archive.read(".__manifest__"))
        Path(".__manifest__").unlink()
        for name, state in manifest.items():
            Path(name).chmod(state["st_mode"])

    def _do_execution(self) -> None:
        self._outputs_file: Any = io.BytesIO()
        raise NotImplementedError("The sandbox has this of the newer CFiddle only.")


SelfContainedExecutionMethod.__module__ = _PLACE


class ExecutionMethod:
    """Makes one with a chain in YAML, as ``cfiddle.ext.delegate_function`` does.

    The released CFiddle pickles its configuration without the newer one's dill.
    """

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def __call__(self) -> SelfContainedExecutionMethod:
        return SelfContainedExecutionMethod(DelegateGenerator(yaml=self._spec))
