"""Build the images on the head, and the common base below them."""

import contextlib
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfiddle_slurm import process
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import labels, python_packages
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.cluster.site.packages import NO_PACKAGES, Packages

DEBIAN = "debian:trixie-slim"
SUITE = "trixie"
BUILD_SECONDS = 1800.0
Say = Callable[[str], None]
_LAST_LINES = 15
_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_SAYS_IT_ALL = re.compile(
    r"\s*(?:ERROR|E|fatal): ((?:unable to access|Could not find a version that satisfies"
    r"|Invalid requirement|Unable to locate package|Package '|Version '|Cannot install "
    r"|.* is not a supported wheel).*)"
)
"""What pip, apt and git say in one line of a package that there is not, or that does not fit."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_USELESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale",
            "usr/share/man")  # fmt: skip


@dataclass(frozen=True)
class Image:
    """An image and the Dockerfile, relative to the build context, that makes it."""

    name: str
    dockerfile: str

    @property
    def tag(self) -> str:
        return f"{self.name}:latest"

    def tag_of(self, identity: str) -> str:
        """A tag that changes with the content, from Docker's id of the image."""
        return f"{self.name}:{identity.removeprefix('sha256:')[:12]}"


BASE = Image("cfiddle-base", "cluster/base.Dockerfile")
BUILDER = Image("cfiddle-builder", "cluster/builder.Dockerfile")
WHEEL = Image("cfiddle-wheel", "cluster/cfiddle.Dockerfile")
SANDBOX = Image("cfiddle-sandbox", "sandbox/Dockerfile")
CLUSTER = Image("cfiddle-cluster", "cluster/cluster.Dockerfile")
USER = Image("cfiddle-user", "cluster/user.Dockerfile")
REGISTRY = Image("cfiddle-registry", "cluster/registry.Dockerfile")
IMAGES = (SANDBOX, CLUSTER, USER)


@dataclass(frozen=True)
class BuildSettings:
    """How images are built.

    Attributes:
        base: ``registry`` takes Debian's image from the registry, ``debootstrap`` makes it from
            Debian's packages, ``auto`` tries one after the other.
        ca_bundle: certificates for package registries behind a proxy; None for Debian's own.
        pip_index: index of Python packages; None for pip's default.
        mirror: Debian mirror for debootstrap; empty for its own choice.
        cfiddle: the images' CFiddle, see :func:`.python_packages.put_cfiddle`.
        user, sandbox: what is installed in these images in addition.
        registry: whether the registry's image is built, too.
    """

    base: str = "auto"
    ca_bundle: Path | None = None
    pip_index: str | None = None
    mirror: str = ""
    cfiddle: str = ""
    user: Packages = NO_PACKAGES
    sandbox: Packages = NO_PACKAGES
    registry: bool = False

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str] = os.environ) -> "BuildSettings":
        """What ``cluster.toml`` says, and else what pip and OpenSSL use on this machine."""
        found = next((environ[name] for name in _BUNDLE_VARIABLES if environ.get(name)), None)
        bundle = config.ca_bundle or found
        return cls(
            base=config.base,
            ca_bundle=Path(bundle) if bundle else None,
            pip_index=environ.get("PIP_INDEX_URL"),
            mirror=config.mirror,
            cfiddle=config.cfiddle,
            user=config.user_packages,
            sandbox=config.sandbox_packages,
            registry=config.registry and bool(config.workers),
        )

    @property
    def images(self) -> tuple[Image, ...]:
        """What is built, in order."""
        return (BASE, BUILDER, WHEEL, *IMAGES, *([REGISTRY] if self.registry else []))


def step_of(line: str) -> tuple[int, int, str] | None:
    """Which of how many steps of a Dockerfile begins, if a line of Docker says that one does."""
    match = _STEP.fullmatch(line)
    return (int(match[1]), int(match[2]), match[3]) if match else None


def build_all(
    head: Machine, settings: BuildSettings, say: Say, on_line: Say = lambda _: None
) -> None:
    """Build what is missing or out of date; layers that fit are taken from the engine's cache.

    Args:
        say: gets one line per image.
        on_line: gets every line that the programs write.

    Raises:
        KitError, MachineError, ProcessError: a step failed; the message holds its last words.
    """
    ensure_debian(head, settings, say, on_line)
    say(f"packing {kit.PACKAGE}")
    with build_context(settings) as context:
        for number, image in enumerate(settings.images, 1):
            say(f"building {image.name} ({number} of {len(settings.images)})")
            build(head, image, context, settings, on_line)
            if image is SANDBOX:
                labels.write(head, image.tag)


def ensure_debian(
    head: Machine, settings: BuildSettings, say: Say, on_line: Say = lambda _: None
) -> None:
    """Make sure that Debian's base image is there.

    Raises:
        MachineError, ProcessError: it can be had neither way.
    """
    if exists(head, DEBIAN):
        return
    if settings.base in ("auto", "registry"):
        say(f"fetching {DEBIAN}")
        done = head.try_docker("pull", "--quiet", DEBIAN, timeout=300)
        if done.status == 0:
            return
        if settings.base == "registry":
            words = done.stderr.strip()
            raise MachineError(f"{DEBIAN} cannot be fetched from the registry: {words}")
    say(f"no registry in reach: making {DEBIAN} with debootstrap")
    _debootstrap(head, settings.mirror, on_line)


def exists(machine: Machine, tag: str) -> bool:
    """Whether a machine's engine has an image."""
    return machine.try_docker("image", "inspect", tag).status == 0


def _debootstrap(head: Machine, mirror: str, on_line: Say) -> None:
    if shutil.which("debootstrap") is None:
        install = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "debootstrap"]
        process.check(["apt-get", "-qq", "update"], timeout=300)
        process.check(install, timeout=300, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    with tempfile.TemporaryDirectory(prefix="cfiddle-base-") as folder:
        root = Path(folder, "root")
        arguments = ["debootstrap", "--variant=minbase", SUITE, str(root), *filter(None, [mirror])]
        _stream(arguments, on_line, f"{DEBIAN} could not be made")
        for useless in _USELESS:
            shutil.rmtree(root / useless, ignore_errors=True)
            (root / useless).mkdir(parents=True)
        done = process.pipe(
            ["tar", "-C", str(root), "-cf", "-", "."],
            head.docker_arguments("import", "--change", 'CMD ["bash"]', "-", DEBIAN),
            timeout=300,
        )
        if done.status != 0:
            raise MachineError(f"{DEBIAN} could not be imported on {head}: {done.stderr.strip()}")


@contextlib.contextmanager
def build_context(settings: BuildSettings) -> Iterator[Path]:
    """A folder with all that the Dockerfiles copy: the kit, the package's wheel, pip's settings."""
    with tempfile.TemporaryDirectory(prefix="cfiddle-build-") as name:
        context = Path(name)
        for part in ("cluster", "sandbox", "examples"):
            shutil.copytree(kit.folder(part), context / part)
        kit.make_wheel(context / "dist")
        bundle = settings.ca_bundle.read_bytes() if settings.ca_bundle else b""
        (context / "ca-bundle.pem").write_bytes(bundle)
        (context / "pip.conf").write_text(pip_conf(settings))
        python_packages.put_cfiddle(context, settings.cfiddle)
        python_packages.put(context, python_packages.USER, settings.user)
        python_packages.put(context, python_packages.SANDBOX, settings.sandbox)
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


def build(
    head: Machine,
    image: Image,
    context: Path,
    settings: BuildSettings,
    on_line: Say = lambda _: None,
) -> None:
    """Build one image from the context.

    Raises:
        MachineError: the build failed.
    """
    arguments = ["build", "--tag", image.tag, "--file", str(context / image.dockerfile)]
    # An argument that a Dockerfile does not name is an error for some builders.
    text = (context / image.dockerfile).read_text()
    for name, value in build_arguments(image, settings).items():
        if f"ARG {name}" in text:
            arguments += ["--build-arg", f"{name}={value}"]
    # The classic builder: it is there without a plugin, and needs nothing from a registry.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    command = head.docker_arguments(*arguments, str(context))
    _stream(command, on_line, f"{image.name} could not be built", env=environment)


def _stream(
    command: Sequence[str], on_line: Say, trouble: str, env: Mapping[str, str] | None = None
) -> None:
    """Run a program that takes long.

    Raises:
        MachineError: it failed; the message has the line that says why, or else the last lines.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    sentences: list[str] = []

    def hear(line: str) -> None:
        bare = _COLOURS.sub("", line).rstrip("\r")
        last.append(bare)
        if (match := _SAYS_IT_ALL.fullmatch(bare)) is not None:
            sentences.append(match[1].rstrip("."))
        on_line(bare)

    if process.stream(command, hear, timeout=BUILD_SECONDS, env=env) != 0:
        if sentences:
            raise MachineError(f"{trouble}: {sentences[0]}.")
        words = "\n".join(last)
        raise MachineError(f"{trouble}; the last lines were:\n{words}")


def build_arguments(image: Image, settings: BuildSettings) -> dict[str, str]:
    """What a Dockerfile's arguments stand for."""
    extra = {USER: settings.user, SANDBOX: settings.sandbox}.get(image, NO_PACKAGES)
    return {"EXTRA_APT": " ".join(extra.apt)}
