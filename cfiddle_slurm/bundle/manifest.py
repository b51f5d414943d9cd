"""What travels: a tar stream with the inputs goes out, a tar stream with the outputs comes back.

The first member of the one that goes out is its manifest, which says what is to be executed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cfiddle_slurm.bundle.archive import CHUNK, BundleError, read_tar, write_below
from cfiddle_slurm.bundle.layout import MANIFEST

FORMAT = 1

MAX_MANIFEST = 16 << 20
_NOTHING: dict[str, Any] = {}


class Manifest(NamedTuple):
    """What the guest is to execute.

    Attributes:
        run_id: 16 hexadecimal digits.
        kind: ``"cfiddle"`` (a pickled CFiddle runner) or ``"call"`` (a pickled method call).
        entry: what that kind needs, see :mod:`cfiddle_slurm.sandbox.guest.experiment`.
        outputs: globs of the files to bring back, relative to the working directory.
        environment: variables of the experiment, beside the guest's own.
        versions: ``python`` (major.minor), ``cfiddle`` and ``cfiddle_slurm`` of the notebook.
    """

    run_id: str
    kind: str
    entry: dict[str, Any] = _NOTHING
    outputs: tuple[str, ...] = ()
    environment: dict[str, str] = _NOTHING
    versions: dict[str, str] = _NOTHING
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """The manifest as JSON."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Manifest":
        """Read a manifest, which may be anybody's.

        Raises:
            BundleError: it is not a manifest of this format.
        """
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"The bundle's manifest is not JSON: {error}.") from None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise BundleError(f"The bundle's manifest is not of format {FORMAT}.")
        kinds: dict[str, type] = {
            "run_id": str,
            "kind": str,
            "entry": dict,
            "outputs": list,
            "environment": dict,
            "versions": dict,
            "format": int,
        }
        if set(fields) != set(kinds) or any(not isinstance(fields[k], kinds[k]) for k in kinds):
            raise BundleError("The bundle's manifest has missing, unknown or wrong fields.")
        texts = [*fields["outputs"], *fields["versions"].values()]
        if not all(isinstance(text, str) for text in texts):
            raise BundleError("The bundle's manifest has a value that is not text.")
        if not all(is_variable(*item) for item in fields["environment"].items()):
            raise BundleError("The bundle's manifest has a variable that no process can have.")
        return cls(**{**fields, "outputs": tuple(fields["outputs"])})


def unpack_bundle(stream: BinaryIO, directory: Path, *, max_bytes: int) -> Manifest:
    """Unpack a bundle into an empty directory.

    Raises:
        BundleError: the bundle is broken or hostile; parts of it may have been written.
        OSError: a file of it cannot be written.
    """
    manifest = None
    for name, info, content in read_tar(stream, max_bytes=max_bytes):
        if manifest is None:
            if name != MANIFEST or info.size > MAX_MANIFEST:
                raise BundleError("The bundle does not begin with its manifest.")
            manifest = Manifest.from_bytes(content.read())
            continue
        write_below(directory, name, content, mode=0o600 | (info.mode & 0o100))
    if manifest is None:
        raise BundleError("The bundle is empty.")
    # The clocks run from the end of the stream, so nothing may be executed before.
    while rest := stream.read(CHUNK):
        if rest.count(0) != len(rest):
            raise BundleError("The bundle goes on after its end.")
    return manifest


def is_variable(name: object, value: object) -> bool:
    """Whether a process can have this in its environment (environ(7))."""
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    try:
        os.fsencode(name + value)  # lone surrogates have no bytes
    except UnicodeEncodeError:
        return False
    return bool(name) and "=" not in name and "\0" not in name + value


def environment_to_travel(environment: Mapping[str, str]) -> dict[str, str]:
    """The notebook's variables that an experiment may depend on, and none of its secrets."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith("CFIDDLE") and not name.startswith("CFIDDLE_SLURM")
    }
