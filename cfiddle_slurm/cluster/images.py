"""Build the three images, and the common base below them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.cluster import kit

DEBIAN = "debian:trixie-slim"
SUITE = "trixie"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
BUILD_SECONDS = 1800.0
_BASES = ("auto", "registry", "debootstrap")
_BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Image:
    """An image and the Dockerfile, relative to the build context, that makes it."""

    name: str
    dockerfile: str

    @property
    def tag(self) -> str:
        return f"{self.name}:latest"


BASE = Image("cfiddle-base", "cluster/base.Dockerfile")
BUILDER = Image("cfiddle-builder", "cluster/builder.Dockerfile")
SANDBOX = Image("cfiddle-sandbox", "sandbox/Dockerfile")
CLUSTER = Image("cfiddle-cluster", "cluster/cluster.Dockerfile")
USER = Image("cfiddle-user", "cluster/user.Dockerfile")
IMAGES = (SANDBOX, CLUSTER, USER)


@dataclass(frozen=True)
class BuildSettings:
    """How images are built.

    Attributes:
        base: ``registry`` takes Debian's image from the registry, ``debootstrap`` makes it from
            Debian's packages, ``auto`` tries one after the other.
        ca_bundle: certificates for package registries behind a proxy; None for Debian's own.
        pip_index: index of Python packages; None for pip's default.
        mirror: Debian mirror for debootstrap.
    """

    base: str = "auto"
    ca_bundle: Path | None = None
    pip_index: str | None = None
    mirror: str = DEFAULT_MIRROR

    @classmethod
    def of_machine(cls, environ: Mapping[str, str] = os.environ) -> "BuildSettings":
        """What pip and OpenSSL use on this machine."""
        bundle = next((environ[name] for name in _BUNDLE_VARIABLES if environ.get(name)), None)
        return cls(
            ca_bundle=Path(bundle) if bundle else None, pip_index=environ.get("PIP_INDEX_URL")
        )


def build_all(settings: BuildSettings, say: Callable[[str], None]) -> None:
    """Build what is missing or out of date; layers that fit are taken from the engine's cache.

    Args:
        say: gets one line per step.

    Raises:
        KitError, ProcessError: a step failed; the message holds its last words.
    """
    ensure_debian(settings, say)
    with build_context(settings) as context:
        for image in (BASE, BUILDER, *IMAGES):
            say(f"building {image.name}")
            build(image, context)


def ensure_debian(settings: BuildSettings, say: Callable[[str], None]) -> None:
    """Make sure that Debian's base image is there.

    Raises:
        ProcessError: it can be had neither way.
        ValueError: an unknown way.
    """
    if settings.base not in _BASES:
        raise ValueError(f"base must be one of {', '.join(_BASES)}, not {settings.base!r}.")
    if exists(DEBIAN):
        return
    if settings.base in ("auto", "registry"):
        say(f"fetching {DEBIAN}")
        done = process.run(["docker", "pull", "--quiet", DEBIAN], timeout=300)
        if done.status == 0:
            return
        if settings.base == "registry":
            words = done.stderr.strip()
            raise process.CommandFailed(f"{DEBIAN} cannot be fetched from the registry: {words}")
    say(f"no registry in reach: making {DEBIAN} with debootstrap")
    _debootstrap(settings.mirror)


def exists(tag: str) -> bool:
    """Whether the engine has an image."""
    return process.run(["docker", "image", "inspect", tag], timeout=60).status == 0


def _debootstrap(mirror: str) -> None:
    if shutil.which("debootstrap") is None:
        install = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "debootstrap"]
        process.check(["apt-get", "-qq", "update"], timeout=300)
        process.check(install, timeout=300, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    with tempfile.TemporaryDirectory(prefix="cfiddle-base-") as folder:
        root, archive = Path(folder, "root"), Path(folder, "root.tar")
        arguments = ["debootstrap", "--variant=minbase", SUITE, str(root), mirror]
        process.check(arguments, timeout=BUILD_SECONDS)
        for useless in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
            "usr/share/man",
        ):
            shutil.rmtree(root / useless, ignore_errors=True)
            (root / useless).mkdir(parents=True)
        process.check(["tar", "-C", str(root), "-cf", str(archive), "."], timeout=300)
        process.check(
            ["docker", "import", "--change", 'CMD ["bash"]', str(archive), DEBIAN], timeout=300
        )


@contextlib.contextmanager
def build_context(settings: BuildSettings) -> Iterator[Path]:
    """A folder with all that the Dockerfiles copy: the kit, the package's wheel, pip's settings."""
    with tempfile.TemporaryDirectory(prefix="cfiddle-build-") as name:
        context = Path(name)
        for part in ("cluster", "sandbox"):
            shutil.copytree(kit.folder(part), context / part)
        kit.make_wheel(context / "dist")
        bundle = settings.ca_bundle.read_bytes() if settings.ca_bundle else b""
        (context / "ca-bundle.pem").write_bytes(bundle)
        (context / "pip.conf").write_text(pip_conf(settings))
        yield context


def pip_conf(settings: BuildSettings) -> str:
    """pip's configuration while an image is built."""
    lines = [
        "[global]",
        "disable-pip-version-check = true",
        "root-user-action = ignore",
        "no-cache-dir = true",
    ]
    if settings.ca_bundle:
        lines.append("cert = /build/ca-bundle.pem")
    if settings.pip_index:
        lines.append(f"index-url = {settings.pip_index}")
    return "\n".join(lines) + "\n"


def build(image: Image, context: Path) -> None:
    """Build one image from the context.

    Raises:
        ProcessError: the build failed.
    """
    said: list[str] = []
    arguments = ["docker", "build", "--tag", image.tag, "--file", str(context / image.dockerfile)]
    cfiddle = ["--build-arg", f"CFIDDLE_VERSION={metadata.version('cfiddle')}"]
    # An argument that a Dockerfile does not name is an error for some builders.
    if "ARG CFIDDLE_VERSION" in (context / image.dockerfile).read_text():
        arguments += cfiddle
    # The classic builder: it is there without a plugin, and needs nothing from a registry.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    status = process.stream(
        [*arguments, str(context)], said.append, timeout=BUILD_SECONDS, env=environment
    )
    if status != 0:
        words = "\n".join(said[-15:])
        raise process.CommandFailed(
            f"{image.name} could not be built; the last lines were:\n{words}"
        )
