"""From bundle to results: what the guest answers, in a process of the test's."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.bundle.archive import Member, write_tar
from cfiddle_slurm.bundle.layout import FILES, MANIFEST, OUTPUTS, RESULTS
from cfiddle_slurm.bundle.manifest import Manifest
from cfiddle_slurm.sandbox import versions
from cfiddle_slurm.sandbox.guest import __main__ as guest
from cfiddle_slurm.sandbox.protocol import (
    END,
    MAX_JSON,
    PING,
    OutcomeKind,
    read_frame,
    write_frame,
)
from cfiddle_slurm.sandbox.status import outcome
from tests.unit.sandbox.guest.test_guest import frames


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for folder in (FILES, RESULTS):
        (tmp_path / folder).mkdir()
    return tmp_path


def test_a_changed_file_is_told_from_an_unchanged_one(work: Path) -> None:
    files = work / FILES
    for name in ("same.txt", "touched.txt", "longer.txt", "replaced.txt", "other.dat"):
        (files / name).write_text("a")
    (files / "link.txt").symlink_to("same.txt")
    before = guest.signatures(files, ("*.txt",))
    assert set(before) == {"same.txt", "touched.txt", "longer.txt", "replaced.txt"}
    assert guest.signatures(files, ()) == {}
    os.utime(files / "touched.txt", ns=(1, 1))
    (files / "longer.txt").write_text("ab")
    (files / "new").write_text("a")
    os.utime(files / "new", ns=(1, (files / "replaced.txt").stat().st_mtime_ns))
    (files / "new").rename(files / "replaced.txt")
    after = guest.signatures(files, ("*.txt",))
    assert [name for name in after if after[name] == before[name]] == ["same.txt"]


def test_a_program_finds_the_folder_that_its_output_files_are_to_lie_in(work: Path) -> None:
    files = work / FILES
    (files / "input").write_text("mine")
    guest.make_output_folders(
        files, ("sub/dir/*.txt", "all/", "here.txt", "input/x.txt", "x" * 300 + "/y", "a/*/b")
    )
    assert {path.name for path in files.iterdir()} == {"sub", "all", "input", "a"}
    assert list((files / "sub").iterdir()) == [files / "sub" / "dir"]
    assert (files / "input").read_text() == "mine"


def sent(stream: bytes) -> tuple[list[str], dict[str, bytes], dict[str, Any] | None]:
    """The members' names in order, their contents, and the final status, of what was sent."""
    incoming, data, status = io.BytesIO(stream), b"", None
    while frame := read_frame(incoming):
        if frame[0] == b"S":
            assert len(frame[1]) <= MAX_JSON
            status = json.loads(frame[1])
        else:
            data += frame[1]
    if not data:
        return [], {}, status
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(info.name, tar.extractfile(info)) for info in tar]
        contents = {name: file.read() for name, file in members if file is not None}
    return [name for name, _ in members], contents, status


def test_records_in_order_and_only_new_and_changed_files_are_sent(work: Path) -> None:
    for name in ("10", "2", "0", "0.done", "x"):
        (work / RESULTS / name).write_text(name)
    (work / RESULTS / "3").symlink_to("/etc/passwd")
    (work / RESULTS / "4").mkdir()
    (work / FILES / "old.csv").write_text("old")
    (work / FILES / "changed.csv").write_text("old")
    manifest = Manifest("r", "call", outputs=("*.csv",))
    before = guest.signatures(work / FILES, manifest.outputs)
    for name in ("changed.csv", "new.csv", "undeclared.dat"):
        (work / FILES / name).write_text("new content")
    outgoing = io.BytesIO()
    guest.send_results(outgoing, manifest, work, before)
    names, contents, _ = sent(outgoing.getvalue())
    assert names[:3] == [f"{RESULTS}/{n}" for n in (0, 2, 10)]
    assert sorted(names[3:]) == [f"{OUTPUTS}/changed.csv", f"{OUTPUTS}/new.csv"]
    assert contents[f"{RESULTS}/10"] == b"10"


def bundle(**fields: Any) -> io.BytesIO:
    manifest = Manifest("r", "call", **{"versions": versions.here(), **fields})
    data = io.BytesIO()
    write_tar(data, [Member(MANIFEST, manifest.to_bytes()), Member("call.pickle", b"pickle")])
    return frames((b"D", data.getvalue()), (b"E", b""))


def serve(monkeypatch: pytest.MonkeyPatch, incoming: io.BytesIO, work: Path) -> Any:
    """What :func:`guest.main` sends, without what it does to its process."""
    outgoing = io.BytesIO()
    monkeypatch.setattr(guest, "_harden", lambda: None)
    monkeypatch.setattr(guest, "_take_stdio", lambda: (incoming, outgoing))
    monkeypatch.setenv("CFIDDLE_GUEST_WORK", str(work))
    guest.main()
    return sent(outgoing.getvalue())


def test_a_bundle_is_executed_and_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []

    def execute(manifest: Manifest, work: Path, cpu_seconds: float | None) -> Any:
        limits.append(cpu_seconds)
        assert (work / "call.pickle").read_bytes() == b"pickle"
        (work / FILES / "out.txt").write_text("words")
        (work / RESULTS / "0").write_bytes(b"record")
        return outcome(OutcomeKind.OK)

    monkeypatch.setattr(guest, "execute", execute)
    for text, seconds in (("2.5", 2.5), ("", None)):
        work = tmp_path / f"work{seconds}"
        work.mkdir()
        monkeypatch.setenv("CFIDDLE_GUEST_CPU_SECONDS", text)
        names, contents, status = serve(monkeypatch, bundle(outputs=("out.txt",)), work)
        assert names == [f"{RESULTS}/0", f"{OUTPUTS}/out.txt"]
        assert contents[f"{RESULTS}/0"] == b"record"
        assert status["outcome"] == {"kind": "ok", "message": "", "signal": None, "code": None}
        assert status["run_seconds"] >= 0
        assert {"cpu_seconds", "max_rss_bytes", "perf", "versions", "kernel"} <= set(status)
        assert limits.pop() == seconds


def test_other_versions_are_told_before_anything_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, _, status = serve(monkeypatch, bundle(versions={"python": "2.7"}), tmp_path)
    assert names == []
    assert status["outcome"]["kind"] == "version_mismatch"
    assert "python 2.7 in the notebook" in status["outcome"]["message"]


@pytest.mark.parametrize(
    ("incoming", "words"),
    [
        (frames((b"D", b"half of it")), "ended before the bundle"),
        (frames((b"D", b"garbage" * 200), (b"E", b"")), "not a whole tar archive"),
        (io.BytesIO(b"garbage, no frames"), "There is no frame of type"),
        (frames((b"E", b"")), "empty"),
    ],
)
def test_a_bundle_that_is_none_gets_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, incoming: io.BytesIO, words: str
) -> None:
    incoming.seek(0)
    names, _, status = serve(monkeypatch, incoming, tmp_path)
    assert names == []
    assert status["outcome"]["kind"] == "guest_error"
    assert words in status["outcome"]["message"]


@pytest.mark.parametrize(("full", "kind"), [(True, "scratch"), (False, "guest_error")])
def test_files_that_cannot_be_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool, kind: str
) -> None:
    monkeypatch.setattr(guest, "scratch_is_full", lambda work: full)
    _, _, status = serve(monkeypatch, bundle(), tmp_path / "no such folder")
    assert status["outcome"]["kind"] == kind
    assert "could not unpack" in status["outcome"]["message"]


def test_it_says_what_it_is_asked_to_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    asked = io.BytesIO()
    write_frame(asked, END, b"")
    write_frame(asked, PING, b"a word")
    asked.seek(0)
    guest.echo(asked)
    assert capfd.readouterr().err == "a word"


def test_what_is_no_frame_is_read_to_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    rest = io.BytesIO(b"?" * 10_000)
    guest.echo(rest)
    assert rest.read() == b""
    assert capfd.readouterr().err == ""
