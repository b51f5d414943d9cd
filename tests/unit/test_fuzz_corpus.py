"""What fuzzing has found is kept: every input of the corpus is replayed through its target.

A weakened reader shows that a target would notice.
"""

import io
import json
import pickle
import sys
import tarfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from cfiddle.Runner import InvocationResult

from cfiddle_slurm.bundle.archive import read_tar
from cfiddle_slurm.bundle.manifest import Manifest
from cfiddle_slurm.results.records import Records
from cfiddle_slurm.sandbox.daemon.request import Request
from cfiddle_slurm.sandbox.policy import Limits, Policy
from tests.fuzz import fuzz
from tests.fuzz.promises import Broken
from tests.fuzz.seeds import CORPUS, SEEDS
from tests.fuzz.targets import TARGETS
from tests.fuzz.words import WORDS
from tests.unit import forged_pickles as forged

MAX_FILES, MAX_BYTES = 400, 1 << 20


def replay(target: str) -> None:
    """Run a target on its whole corpus; the first input that fails is named."""
    files = sorted((CORPUS / target).iterdir())
    assert files
    for file in files:
        try:
            TARGETS[target](file.read_bytes())
        except Exception as error:
            raise AssertionError(f"{target} fails on {file}: {error!r}") from error


@pytest.mark.parametrize("target", TARGETS)
def test_every_promise_is_kept_on_the_corpus(target: str) -> None:
    replay(target)


def test_each_target_has_seeds_and_words() -> None:
    assert set(TARGETS) == set(SEEDS) == set(WORDS) == {path.name for path in CORPUS.iterdir()}


def test_the_corpus_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) <= MAX_FILES
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    assert all(path.stat().st_size <= fuzz.MAX_BYTES for path in files)


def believes_names(stream: BinaryIO, directory: Path, *, max_bytes: int) -> Manifest:
    for name, _, content in read_tar(stream, max_bytes=max_bytes):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content.read())
    return Manifest("0" * 16, "call")


def believes_archives(stream: BinaryIO, directory: Path, *, max_bytes: int) -> Manifest:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(directory, filter="fully_trusted")  # noqa: S202 - as nobody should
    return Manifest("0" * 16, "call")


def believes_pickles(
    streams: Sequence[BinaryIO], invocations: Sequence[Any], extra: Collection[tuple[str, str]]
) -> Records:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: Any) -> Any:
            return invocations[number]

    values = []
    for stream in streams:
        values.append(Unpickler(stream).load())
    return Records(results=[], values=values)


def believes_lines(streams: Sequence[BinaryIO], invocations: Sequence[Any]) -> Records:
    found = []
    for record in map(json.loads, streams[0]):
        _, number, names, rows, value = record
        rows = [dict(zip(names, row, strict=True)) for row in rows]
        found.append(InvocationResult(invocations[number], rows, value))
    return Records(results=found, values=[])


def believes_limits(hello: dict[str, Any], policy: Policy) -> Request:
    memory = hello.get("memory_bytes") or policy.memory
    seconds = hello.get("wall_seconds") or policy.wall_seconds
    return Request("1", "0" * 16, Limits(policy.images[0], memory, seconds, policy.cpu_seconds))


WEAK: list[tuple[str, str, Callable[..., Any], str]] = [
    ("bundle", "unpack_bundle", believes_names, "a-file-in-a-link"),
    ("bundle", "unpack_bundle", believes_archives, "a-symbolic-link"),
    ("results_pickle", "read_records", believes_pickles, "a-constructor"),
    ("results_pickle", "read_records", believes_pickles, "a-change-of-the-callers-object"),
    ("results_pickle", "read_records", believes_pickles, "a-change-of-a-class"),
    ("results_pickle", "read_records", believes_pickles, "a-state-taken-by-a-class"),
    ("results_pickle", "read_records", believes_pickles, "a-list-filled-by-a-class"),
    ("results_pickle", "read_records", believes_pickles, "name-a-function-of-the-system"),
    ("results_pickle", "read_records", believes_pickles, "greedy-a-range-made-a-list"),
    ("results_lines", "read_lines", believes_lines, "an-invocation-twice"),
    ("results_lines", "read_lines", believes_lines, "bytes-in-a-column"),
    ("results_lines", "read_lines", believes_lines, "a-list-for-a-value"),
    ("results_lines", "read_lines", believes_lines, "commands"),
    ("request", "parse_hello", believes_limits, "above"),
    ("request", "parse_hello", believes_limits, "beyond-all-numbers"),
    ("client_frames", "parse_hello", believes_limits, "hello-above"),
]


@pytest.mark.parametrize(("target", "reader", "weak", "name"), WEAK)
def test_a_reader_that_believes_what_it_reads_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, target: str, reader: str, weak: Callable[..., Any], name: str
) -> None:
    broken = MemoryError if name.startswith("greedy") else (Broken, AssertionError)
    raw = (CORPUS / target / name).read_bytes()
    before = [dict(vars(kind)) for kind in forged.SENT_CLASSES]
    monkeypatch.setattr(sys.modules[TARGETS[target].__module__], reader, weak)
    try:
        with pytest.raises(broken):
            TARGETS[target](raw)
    finally:
        forged.ran.clear()
        for kind, attributes in zip(forged.SENT_CLASSES, before, strict=True):
            for added in set(vars(kind)) - set(attributes):
                delattr(kind, added)


def test_without_a_fuzzer_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert fuzz.main([]) == 2
    assert "`make fuzz` installs it" in capsys.readouterr().out


LOG = """\
#9	INITED cov: 100 ft: 200 corp: 5/53b exec/s: 0 rss: 128Mb
#300	NEW    cov: 120 ft: 210 corp: 6/60b exec/s: 20 rss: 128Mb

 === Uncaught Python exception: ===
Broken: something of the results ran
Traceback (most recent call last):
stat::number_of_executed_units: 301
stat::average_exec_per_sec:     20
"""


def test_what_the_fuzzer_says_is_told_in_a_line_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = fuzz.CRASHES / "bundle-crash-ab"
    for crashes, status in (((), 0), ((crash,), 1)):
        found = fuzz._found("bundle", LOG, 3, crashes)
        assert (found.executions, found.edges_before, found.edges_after) == (301, 100, 120)
        monkeypatch.setattr(fuzz, "fuzz", lambda *_, found=found: found)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
        assert fuzz.main(["bundle"]) == status
    row, sentence = capsys.readouterr().out.splitlines()[-2:]
    assert row.split() == ["bundle", "301", "20", "100", "120", "3", "1"]
    assert "breaks a promise (Broken: something of the results ran)" in sentence
    assert "tests.fuzz.targets bundle tests/fuzz/crashes/bundle-crash-ab" in sentence


def test_words_are_written_as_the_fuzzer_reads_them() -> None:
    assert fuzz._escaped(b'a"\\\0\xff') == "a\\x22\\x5c\\x00\\xff"
    assert io.BytesIO(fuzz._escaped(b"R").encode()).read() == b"R"
