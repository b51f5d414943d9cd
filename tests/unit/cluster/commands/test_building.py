"""How a build is shown, and what its log holds."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.live import Live

from cfiddle_slurm.cluster.commands import building, common
from cfiddle_slurm.cluster.commands.building import Shown
from cfiddle_slurm.cluster.hosts.machines import Machine, MachineError
from cfiddle_slurm.cluster.image import images
from cfiddle_slurm.cluster.image.images import BuildSettings
from tests.unit.cluster.conftest import HEAD

STEP = "Step 2/9 : RUN apt-get update"
Build = Callable[..., None]


def build_one(
    head: Machine,
    settings: BuildSettings,
    say: Callable[[str], None],
    line: Callable[[str], None],
) -> None:
    say("building one (1 of 2)")
    line(STEP)
    line("Get:1 some \x1b]0;title\x07 package")
    say("building two (2 of 2)")


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(images, "build_all", build_one)
    return tmp_path / "cfiddle-slurm"


def newest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_in_a_pipe_each_step_is_a_line(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    building.build(HEAD, BuildSettings())
    assert capsys.readouterr().out.splitlines() == [
        "  building one (1 of 2)",
        "    step 2 of 9: RUN apt-get update",
        "  building one (1 of 2): done (0 s)",
        "  building two (2 of 2)",
        "  building two (2 of 2): done (0 s)",
        f"  the log is in {newest(logs)}",
    ]


def test_the_log_holds_everything_fit_to_be_shown(logs: Path) -> None:
    building.build(HEAD, BuildSettings())
    lines = [line.split(maxsplit=1)[1] for line in newest(logs).read_text().splitlines()]
    assert lines[:3] == [
        "building one (1 of 2)", STEP, r"Get:1 some \x1b]0;title\x07 package",
    ]  # fmt: skip
    assert [float(line.split()[0]) < 60 for line in newest(logs).read_text().splitlines()] == [
        True
    ] * 6


def test_all_lines_are_shown_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    building.build(HEAD, BuildSettings(), verbose=True)
    said = capsys.readouterr().out.splitlines()
    assert said[1:3] == [f"    {STEP}", r"    Get:1 some \x1b]0;title\x07 package"]


def test_a_failure_names_the_log(
    logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        build_one(*arguments)  # type: ignore[arg-type]
        raise MachineError("two could not be built; the last lines were:\nno space")

    monkeypatch.setattr(images, "build_all", fail)
    with pytest.raises(
        MachineError, match=r"no space\nThe whole log is in .*images-build-.*\.log\."
    ):
        building.build(HEAD, BuildSettings())
    assert "building two (2 of 2): failed (0 s)" in capsys.readouterr().out
    assert "no space" in newest(logs).read_text()


def test_without_a_home_the_log_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    building.build(HEAD, BuildSettings())
    place = Path(capsys.readouterr().out.splitlines()[-1].removeprefix("  the log is in "))
    assert "building one" in place.read_text()
    place.unlink()


def test_on_a_terminal_one_line_lives(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    terminal = common.PrintableConsole(file=screen, force_terminal=True, width=60)
    with Live(console=terminal, auto_refresh=False) as live:
        shown = Shown(io.StringIO(), live, verbose=False)
        build_one(HEAD, BuildSettings(), shown.say, shown.line)
        shown.say("building a\x1b[2Jb (3 of 3)")
        shown.line(f"{STEP} && {'x' * 200}")
        live.refresh()
    drawn = screen.getvalue()
    assert r"building a\x1b[2Jb (3 of 3), 0 s, step 2 of 9: RUN" in drawn
    assert "\x1b[2J" not in drawn and "xxx" not in drawn
    # What is over stays; the steps do not.
    assert capsys.readouterr().out.splitlines() == [
        "  building one (1 of 2): done (0 s)", "  building two (2 of 2): done (0 s)",
    ]  # fmt: skip


def test_a_few_logs_are_kept(logs: Path) -> None:
    logs.mkdir()
    for number in range(8):
        (logs / f"images-build-20200101-00000{number}-1.log").touch()
    (logs / "another").touch()
    building.build(HEAD, BuildSettings())
    kept = sorted(path.name for path in logs.iterdir())
    assert kept[:5] == ["another", *(f"images-build-20200101-00000{n}-1.log" for n in range(4, 8))]
    assert len(kept) == 6
