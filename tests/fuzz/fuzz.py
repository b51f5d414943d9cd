"""Fuzz the readers: ``python -m tests.fuzz.fuzz [--seconds N] [TARGET ...]``, or ``make fuzz``.

Each target has a process of its own and its share of the time. New inputs that reach new code go
into the corpus, from which an input goes that is not needed any more; those with names of their own
stay. Inputs that break a promise are left in ``tests/fuzz/crashes``.

Exit status: 0 all promises kept, 1 one is broken, 2 there is no fuzzer, or it failed.
"""

import argparse
import importlib.util
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cfiddle_slurm import process
from tests.fuzz.words import WORDS

FOLDER = Path(__file__).parent
CORPUS, CRASHES = FOLDER / "corpus", FOLDER / "crashes"
ROOT = FOLDER.parents[1]
SECONDS = 600.0
MAX_BYTES = 1 << 15
MOST_KEPT = 20
"""Inputs without a name of their own, for each target: the unit tests replay them all."""
_START_SECONDS = 120.0
_MERGE_SECONDS = 300.0
_OPTIONS = (
    "-print_final_stats=1",
    "-timeout=30",
    "-rss_limit_mb=2048",
    f"-max_len={MAX_BYTES}",
)
_EDGES = re.compile(r"^#\d+\s.* cov: (\d+) ", re.MULTILINE)
_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)
_EXCEPTION = re.compile(r"=== Uncaught Python exception: ===\n(.*)")
_HASH = re.compile(r"[0-9a-f]{40}")
_ROW = "{:16}{:>12}{:>10}{:>14}{:>13}{:>9}{:>9}"


class FuzzerFailed(Exception):
    """The fuzzer did not do its work: one sentence, with its last words."""


@dataclass(frozen=True)
class Found:
    """What came out for one target."""

    target: str
    executions: int
    per_second: int
    edges_before: int
    edges_after: int
    kept: int
    crashes: tuple[Path, ...]
    reason: str


def fuzz(target: str, seconds: float) -> Found:
    """Fuzz a target for some seconds, and keep what is new.

    Raises:
        FuzzerFailed: it did not work.
    """
    corpus = CORPUS / target
    with tempfile.TemporaryDirectory() as folder:
        new, words, program = Path(folder, "new"), Path(folder, "words"), Path(folder, "program")
        new.mkdir()
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS[target]))
        program.write_text(_program(target))
        program.chmod(0o700)
        before = set(_crashes(target))
        done = process.run(
            [str(program), *_OPTIONS, f"-max_total_time={seconds:.0f}", f"-dict={words}",
             f"-artifact_prefix={CRASHES}/{target}-", str(new), str(corpus)],
            timeout=seconds + _START_SECONDS, cwd=ROOT,
        )  # fmt: skip
        crashes = tuple(sorted(set(_crashes(target)) - before))
        if done.status != 0 and not crashes:
            raise FuzzerFailed(f"Fuzzing {target} failed: {' '.join(done.stderr.split()[-60:])}")
        kept = _keep(program, corpus, new, Path(folder, "cover"))
    return _found(target, done.stderr, kept, crashes)


def _program(target: str) -> str:
    command = shlex.join([sys.executable, "-W", "ignore", "-m", "tests.fuzz.one"])
    return f'#!/bin/sh\nexec {command} "$0" {target} "$@"\n'


def _escaped(word: bytes) -> str:
    return "".join(
        chr(one) if 32 <= one < 127 and one not in b'"\\' else f"\\x{one:02x}" for one in word
    )


def _crashes(target: str) -> list[Path]:
    return list(CRASHES.glob(f"{target}-*"))


def _keep(program: Path, corpus: Path, new: Path, cover: Path) -> int:
    """Let the corpus be its named inputs, and the fewest and shortest others that reach more."""
    cover.mkdir()
    for path in corpus.iterdir():
        if not _HASH.fullmatch(path.name):
            shutil.copyfile(path, cover / path.name)
    # Without counters: how often a line runs makes no input worth keeping.
    arguments = [str(program), *_OPTIONS, "-set_cover_merge=1", "-use_counters=0"]
    done = process.run(
        [*arguments, str(cover), str(corpus), str(new)], timeout=_MERGE_SECONDS, cwd=ROOT
    )
    if done.status != 0:
        raise FuzzerFailed(f"Merging failed: {' '.join(done.stderr.split()[-60:])}")
    found = [path for path in cover.iterdir() if _HASH.fullmatch(path.name)]
    found.sort(key=lambda path: (path.stat().st_size, path.name))
    wanted = {path.name: path for path in found[:MOST_KEPT]}
    for path in corpus.iterdir():
        if _HASH.fullmatch(path.name) and path.name not in wanted:
            path.unlink()
    added = [name for name in wanted if not (corpus / name).exists()]
    for name in added:
        shutil.copyfile(wanted[name], corpus / name)
    return len(added)


def _found(target: str, log: str, kept: int, crashes: tuple[Path, ...]) -> Found:
    statistics = {name: int(value) for name, value in _STATISTIC.findall(log)}
    edges = [int(found) for found in _EDGES.findall(log)] or [0]
    exception = _EXCEPTION.search(log)
    return Found(
        target,
        statistics.get("number_of_executed_units", 0),
        statistics.get("average_exec_per_sec", 0),
        edges[0],
        edges[-1],
        kept,
        crashes,
        exception[1] if exception else "it took too much time or memory, or ended the process",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(WORDS))
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in WORDS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}; there are {', '.join(WORDS)}")
    if importlib.util.find_spec("atheris") is None:
        print("There is no fuzzer here: `make fuzz` installs it, or `pip install '.[fuzz]'`.")
        return 2
    CRASHES.mkdir(exist_ok=True)
    names = options.targets or list(WORDS)
    print(
        _ROW.format(
            "target", "executions", "per s", "edges before", "edges after", "new", "crashes"
        )
    )
    broken = []
    for name in names:
        try:
            found = fuzz(name, max(1.0, options.seconds / len(names)))
        except (FuzzerFailed, process.ProcessError) as error:
            print(error, file=sys.stderr)
            return 2
        print(
            _ROW.format(
                name, found.executions, found.per_second, found.edges_before, found.edges_after,
                found.kept, len(found.crashes),
            ),
            flush=True,
        )  # fmt: skip
        broken += [found] if found.crashes else []
    for found in broken:
        print(
            f"An input of {found.target} breaks a promise ({found.reason}); see it with "
            f"`python -m tests.fuzz.targets {found.target} {found.crashes[0].relative_to(ROOT)}`."
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
