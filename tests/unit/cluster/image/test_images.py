"""How images are built; no engine is needed for that here."""

import configparser
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.hosts.machines import MachineError
from cfiddle_slurm.cluster.image import images
from cfiddle_slurm.cluster.image.images import (
    BASE,
    BUILDER,
    CLUSTER,
    DEBIAN,
    IMAGES,
    REGISTRY,
    SANDBOX,
    USER,
    WHEEL,
    BuildSettings,
    Image,
)
from cfiddle_slurm.cluster.site import kit
from cfiddle_slurm.cluster.site.config import Config
from cfiddle_slurm.cluster.site.packages import Packages
from tests.unit.cluster.conftest import AT_WORKER, HEAD, WORKER, Program

ALL = (BASE, BUILDER, WHEEL, *IMAGES, REGISTRY)
INSPECT = f"image inspect {DEBIAN}"


def pip(settings: BuildSettings) -> dict[str, str]:
    parser = configparser.RawConfigParser()  # as pip itself reads it
    parser.read_string(images.pip_conf(settings))
    assert parser.sections() == ["global"]
    return dict(parser["global"])


def test_pips_configuration_names_only_what_is_set() -> None:
    plain = pip(BuildSettings())
    assert not {"cert", "index-url"} & set(plain)
    assert plain["no-cache-dir"] == "true"
    url = "https://me:pass%20word@registry.example/simple"
    found = pip(BuildSettings(ca_bundle=Path("/etc/ca.pem"), pip_index=url))
    assert found == {**plain, "cert": "/build/ca-bundle.pem", "index-url": url}


@pytest.mark.parametrize(
    ("environ", "bundle", "index"),
    [
        ({}, None, None),
        ({"PIP_CERT": "", "SSL_CERT_FILE": "/ssl.pem"}, "/ssl.pem", None),
        ({"CURL_CA_BUNDLE": "/curl.pem", "PIP_CERT": "/pip.pem"}, "/pip.pem", None),
        ({"REQUESTS_CA_BUNDLE": "/r.pem", "PIP_INDEX_URL": "http://x"}, "/r.pem", "http://x"),
    ],
)
def test_this_machines_certificates_and_index_are_taken(
    environ: dict[str, str], bundle: str | None, index: str | None
) -> None:
    found = BuildSettings.of(Config(), environ)
    assert found == BuildSettings(ca_bundle=Path(bundle) if bundle else None, pip_index=index)


def test_what_the_file_says_comes_first() -> None:
    config = Config(
        head="h", workers=("w1",), home="nfs", base="registry", ca_bundle="/mine.pem",
        mirror="http://near", cfiddle="0.5", user_packages=Packages(("vim",)),
        sandbox_packages=Packages(("gdb",)),
    )  # fmt: skip
    assert BuildSettings.of(config, {"PIP_CERT": "/pip.pem"}) == BuildSettings(
        "registry", Path("/mine.pem"), None, "http://near", "0.5", Packages(("vim",)),
        Packages(("gdb",)), registry=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "registry", "built"),
    [(("w1",), True, True), (("w1",), False, False), ((), True, False)],
)
def test_a_registry_is_built_only_for_those_who_pull_from_it(
    workers: tuple[str, ...], registry: bool, built: bool
) -> None:
    config = Config(head="h", workers=workers, registry=registry, home="nfs")
    assert BuildSettings.of(config, {}).images == (ALL if built else ALL[:-1])


def test_debians_further_packages_go_into_their_own_image_only() -> None:
    settings = BuildSettings(user=Packages(("vim", "gdb")), sandbox=Packages(("libfoo",)))

    def extra(image: Image) -> str:
        return images.build_arguments(image, settings)["EXTRA_APT"]

    assert (extra(USER), extra(SANDBOX), extra(CLUSTER)) == ("vim gdb", "libfoo", "")


@pytest.mark.parametrize("image", [USER, SANDBOX])
def test_a_dockerfile_takes_the_further_packages(image: Image) -> None:
    folder, _, name = image.dockerfile.partition("/")
    text = (kit.folder(folder) / name).read_text()
    assert "ARG EXTRA_APT=" in text and "${EXTRA_APT}" in text
    assert "/build/install-packages install" in text


@pytest.mark.parametrize("base", ["auto", "registry", "debootstrap"])
def test_debians_image_is_made_once(docker: Program, base: str) -> None:
    docker.answers(INSPECT)
    images.ensure_debian(HEAD, BuildSettings(base=base), print)
    assert docker.lines == [INSPECT]


def test_debians_image_is_fetched_where_a_registry_is_in_reach(docker: Program) -> None:
    docker.answers("pull *")
    said: list[str] = []
    images.ensure_debian(HEAD, BuildSettings(), said.append)
    assert docker.lines[1:] == [f"pull --quiet {DEBIAN}"]
    assert said == [f"fetching {DEBIAN}"]


def test_a_registry_out_of_reach_is_told_with_its_words(docker: Program) -> None:
    docker.answers("pull *", "echo 'no route to host' >&2; exit 1")
    with pytest.raises(MachineError, match=f"{DEBIAN} cannot be fetched.*no route to"):
        images.ensure_debian(HEAD, BuildSettings(base="registry"), print)


@pytest.mark.parametrize(("base", "pulls"), [("auto", 1), ("debootstrap", 0)])
def test_without_a_registry_it_is_made_of_debians_packages(
    docker: Program, programs: Path, tmp_path: Path, base: str, pulls: int
) -> None:
    debootstrap = programs / "debootstrap"
    debootstrap.write_text(
        '#!/bin/sh\necho "$*" >arguments\n'
        'mkdir -p "$3/usr/share/man/x" "$3/etc"; touch "$3/etc/y"\n'
    )
    debootstrap.chmod(0o755)
    docker.answers("import *", 'tar -tf "$n/input" >archive')
    images.ensure_debian(HEAD, BuildSettings(base=base, mirror="http://near.example/debian"), print)
    assert [line.split()[0] for line in docker.lines] == ["image", *["pull"] * pulls, "import"]
    assert docker.calls[-1][-1] == DEBIAN
    arguments = (tmp_path / "arguments").read_text().split()
    assert (arguments[:2], arguments[3]) == (
        ["--variant=minbase", "trixie"], "http://near.example/debian",
    )  # fmt: skip
    archive = (tmp_path / "archive").read_text().split()
    assert "./etc/y" in archive
    assert "./usr/share/man/" in archive and "./usr/share/man/x/" not in archive


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "with").write_text("ARG EXTRA_APT\n")
    (folder / "without").write_text("FROM scratch\n")
    return folder


def test_an_image_is_built_by_the_classic_builder(docker: Program, context: Path) -> None:
    docker.answers("build *", 'echo "$DOCKER_BUILDKIT" >builder')
    settings = BuildSettings()
    images.build(HEAD, Image("one", "with"), context, settings)
    images.build(HEAD, Image("two", "without"), context, settings)
    one, two = docker.calls
    assert one[:3] == ["build", "--tag", "one:latest"]
    assert one[one.index("--file") + 1] == str(context / "with")
    assert one[-1] == two[-1] == str(context)
    assert any(word.startswith("EXTRA_APT=") for word in one)
    assert not any(word.startswith("EXTRA_APT=") for word in two)
    assert Path("builder").read_text() == "0\n"


def test_a_failed_build_is_told_by_its_last_lines(docker: Program, context: Path) -> None:
    docker.answers("build *", "seq 100; echo 'E: no such package' >&2; exit 1")
    with pytest.raises(MachineError, match="one could not be built") as caught:
        images.build(HEAD, Image("one", "without"), context, BuildSettings())
    lines = str(caught.value).splitlines()
    assert (lines[-1], len(lines)) == ("E: no such package", 16)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement cfiddle==0.6.9 (from "
            "versions: 0.6.0, 0.6.1)",
            "Could not find a version that satisfies the requirement cfiddle==0.6.9 (from "
            "versions: 0.6.0, 0.6.1).",
        ),
        (
            "  fatal: unable to access https://e/x: no such host",
            "unable to access https://e/x: no such host.",
        ),
        ("E: Unable to locate package libfo", "Unable to locate package libfo."),
        (
            "ERROR: x-1-cp38-cp38-linux_x86_64.whl is not a supported wheel on this platform.",
            "x-1-cp38-cp38-linux_x86_64.whl is not a supported wheel on this platform.",
        ),
    ],
)
def test_a_package_that_there_is_not_is_told_in_one_sentence(
    docker: Program, context: Path, line: str, sentence: str
) -> None:
    docker.answers("build *", f"seq 100; printf '\\033[91m%s\\033[0m\\n' '{line}'; seq 9; exit 1")
    with pytest.raises(MachineError) as caught:
        images.build(HEAD, Image("one", "without"), context, BuildSettings())
    assert str(caught.value) == f"one could not be built: {sentence}"


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a wheel takes a second; an empty file does here."""

    def make_wheel(target: Path) -> None:
        target.mkdir()
        (target / "cfiddle_slurm.whl").touch()

    monkeypatch.setattr(kit, "make_wheel", make_wheel)


def copied(dockerfile: Path) -> list[str]:
    """What a Dockerfile takes out of the build context."""
    copies = [line.split() for line in dockerfile.read_text().splitlines()]
    return [
        source
        for words in copies
        if words[:1] == ["COPY"] and not words[1].startswith("--from")
        for source in words[1:-1]
    ]


@pytest.mark.usefixtures("no_wheel")
def test_the_context_holds_all_that_the_dockerfiles_copy() -> None:
    with images.build_context(BuildSettings()) as folder:
        wanted = [source for image in ALL for source in copied(folder / image.dockerfile)]
        assert "dist/*.whl" in wanted
        assert [source for source in wanted if not list(folder.glob(source))] == []
    assert not folder.exists()


@pytest.mark.usefixtures("no_wheel")
def test_pip_gets_the_certificates_that_it_is_told_of(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    for settings, content in (
        (BuildSettings(), ""),
        (BuildSettings("auto", bundle), "certificates"),
    ):
        with images.build_context(settings) as folder:
            assert (folder / "ca-bundle.pem").read_text() == content
            assert (folder / "pip.conf").read_text() == images.pip_conf(settings)


@pytest.mark.usefixtures("no_wheel")
def test_everything_is_built_in_the_order_of_need(docker: Program) -> None:
    docker.answers(INSPECT)
    docker.answers("build *")
    docker.answers("run *", "echo cfiddle=1 python=3.13")
    said: list[str] = []
    images.build_all(HEAD, BuildSettings(registry=True), said.append)
    names = [image.name for image in ALL]
    wanted = [f"building {name} ({i} of {len(names)})" for i, name in enumerate(names, 1)]
    assert said == ["packing cfiddle_slurm", *wanted]
    built = [call[2] for call in docker.calls if call[:2] == ["build", "--tag"]]
    assert built == [f"{name}:latest" for name in names]


@pytest.mark.usefixtures("no_wheel")
def test_images_are_built_where_the_head_is(docker: Program) -> None:
    docker.answers(f"{AT_WORKER} *")
    images.build_all(WORKER, BuildSettings(), lambda text: None)
    # The sandbox image is the fourth, then asked what is in it, and labelled with that.
    asked = ["image", *["build"] * 4, "run", "run", "build", "build", "build"]
    assert [call[1] for call in docker.calls] == asked


@pytest.mark.usefixtures("no_wheel")
def test_all_lines_are_handed_on_and_the_last_are_in_the_error(docker: Program) -> None:
    docker.answers(INSPECT)
    lines = "seq 30; printf '\\033[91mred\\033[0m\\n' >&2"
    docker.answers("build *", f"echo 'Step 1/1 : FROM x'; {lines}; exit 1")
    heard: list[str] = []
    with pytest.raises(MachineError, match="could not be built; the last lines were") as caught:
        images.build_all(HEAD, BuildSettings(), lambda text: None, heard.append)
    assert heard == ["Step 1/1 : FROM x", *map(str, range(1, 31)), "red"]
    assert str(caught.value).splitlines()[1:] == heard[-15:]


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("Step 3/12 : RUN apt-get update", (3, 12, "RUN apt-get update")),
        ("Step 3/12 :", None),
        (" ---> Using cache", None),
        ("", None),
    ],
)
def test_steps_of_a_dockerfile(line: str, step: tuple[int, int, str] | None) -> None:
    assert images.step_of(line) == step
