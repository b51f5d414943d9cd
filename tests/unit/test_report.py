"""Run reports: as much as fits is believed, and shown as it was said."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.printable import one_line
from cfiddle_slurm.report import RunReport, exit_reason

STATUS: dict[str, Any] = {
    "run_id": "0123456789abcdef",
    "job_id": "4711",
    "node": "worker1",
    "container": "c0ffee",
    "image": "cfiddle-sandbox:latest",
    "cores": "2-3",
    "outcome": {"kind": "ok"},
    "versions": {"engine": "26.1.5", "python": "9.9"},
    "stages": {"asked": 1.5, "noticed": 99, "wrong": "x"},
    "measured": {
        "startup_seconds": 0.25,
        "cpu_seconds": 1.5,
        "memory_peak_bytes": 3 << 20,
        "wall_seconds": 2.25,
        "container_cpu_seconds": 1.75,
    },
    "guest": {
        "cpu_model": "A CPU",
        "run_seconds": 2,
        "cpu_seconds": 99,
        "max_rss_bytes": 99,
        "kernel": "6.18",
        "governor": "performance",
        "stages": {"ready": 2.5, "asked": 99},
        "perf": {"status": "no_pmu", "detail": "no hardware counters"},
        "versions": {"python": "3.11", "wrong": 3},
    },
}
KEYS = sorted({*STATUS, *STATUS["measured"], *STATUS["guest"], "status", "detail", "kind", "code"})
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def report_of(status: dict[str, Any], **times: Any) -> RunReport:
    when = {"submitted": 10.0, "started": 12.5, "finished": 20.0, "collected": 20.5, **times}
    return RunReport.of(status, scheduler="slurm", stages={"noticed": 3.5}, **when)


def test_a_whole_report() -> None:
    report = report_of(STATUS)
    assert report.to_dict() == {
        "run_id": "0123456789abcdef", "job_id": "4711", "scheduler": "slurm", "node": "worker1",
        "container": "c0ffee", "image": "cfiddle-sandbox:latest", "cpu_model": "A CPU",
        "cores": "2-3", "queue_seconds": 2.5, "startup_seconds": 0.25, "run_seconds": 2.0,
        "return_seconds": 0.5, "total_seconds": 10.5, "cpu_seconds": 1.5,
        "memory_peak_bytes": 3 << 20, "wall_seconds": 2.25, "container_cpu_seconds": 1.75,
        "exit_reason": "ok", "perf_status": "no_pmu",
        "perf_detail": "no hardware counters", "kernel": "6.18", "governor": "performance",
        "versions": {"engine": "26.1.5", "python": "3.11"},
        "stages": {"ready": 2.5, "asked": 1.5, "noticed": 3.5},
    }  # fmt: skip
    rows = dict(report.rows())
    assert rows["seconds"] == "queue 2.500, startup 0.250, run 2.000, return 0.500, total 10.500"
    assert (rows["job"], rows["peak memory"]) == ("4711 (slurm)", "3.0 MiB")
    assert rows["perf events"] == "no_pmu: no hardware counters"
    assert rows["versions"] == "engine 26.1.5, python 3.11"


def test_without_a_container_the_guest_is_believed() -> None:
    report = report_of({"guest": STATUS["guest"]})
    assert (report.cpu_seconds, report.memory_peak_bytes) == (99.0, 99)
    assert report_of({**STATUS, "measured": {"cpu_seconds": 0}}).cpu_seconds == 0
    rows = dict(report.rows())
    assert (rows["container"], rows["cores"], rows["node"]) == ("none", "not restricted", "unknown")


def test_clocks_that_disagree_give_no_negative_times() -> None:
    report = report_of({}, submitted=30.0, finished=40.0)
    assert (report.queue_seconds, report.return_seconds, report.total_seconds) == (0, 0, 0)
    assert report_of({}, started=None).queue_seconds is None
    assert "queue unknown" in dict(report_of({}, started=None).rows())["seconds"]


@pytest.mark.parametrize("wrong", [True, "1", None, [1], {}, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown(wrong: object) -> None:
    status = {"measured": {"startup_seconds": wrong, "memory_peak_bytes": wrong}}
    report = report_of(status)
    assert (report.startup_seconds, report.memory_peak_bytes) == (None, None)


@pytest.mark.parametrize("huge", [10**400, -(10**400)], ids=["huge", "huge and negative"])
def test_a_number_beyond_all_floats_ends_no_run(huge: int) -> None:
    assert report_of({"guest": {"run_seconds": huge}}).run_seconds is None


@pytest.mark.parametrize("wrong", [5, "", None, [], {}, True, b"bytes"])
def test_what_is_no_text_is_unknown(wrong: object) -> None:
    report = report_of(
        {"node": wrong, "guest": {"kernel": wrong, "perf": wrong, "versions": wrong}}
    )
    assert (report.node, report.kernel, report.perf_status, report.versions) == (None,) * 3 + ({},)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), ANYTHING, max_size=6))
def test_whatever_a_status_holds_there_is_a_report(status: dict[str, Any]) -> None:
    report = report_of(status)
    values = [
        value for name, value in report.to_dict().items() if name not in ("versions", "stages")
    ]
    assert all(map(math.isfinite, report.stages.values()))
    assert all(value is None or isinstance(value, str | int | float) for value in values)
    assert all(isinstance(text, str) and text for text in dict(report.rows()))
    assert isinstance(str(report), str)
    assert report._repr_html_().startswith("<table>")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"kind": "ok"}, "ok"),
        ({"kind": "signal", "signal": "SIGSEGV"}, "crashed (SIGSEGV)"),
        ({"kind": "signal", "signal": 11}, "signal"),
        ({"kind": "exited", "code": 3}, "exited (3)"),
        ({"kind": "exited", "code": 0}, "exited (0)"),
        ({"kind": "exited", "code": "3"}, "exited"),
        ({"kind": "cpu_time", "signal": "SIGXCPU"}, "cpu time"),
        ({"kind": "memory"}, "memory"),
        ({"kind": 5}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_how_a_run_ended_in_a_word_or_two(outcome: dict[str, Any], words: str) -> None:
    assert exit_reason(outcome) == words
    assert report_of({"outcome": outcome}).exit_reason == words


@pytest.mark.parametrize(
    "said", ["[bold]x[/bold]", "[/x]", "a[0]", "\\[/x]", "\\[bold]x", ":smile:", "x\\", "[link=a]b"]
)
def test_a_text_is_shown_as_it_is(said: str) -> None:
    lines = str(report_of({"guest": {"kernel": said}})).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("kernel")] == [said]


@pytest.mark.parametrize("command", ["\x1b[2J", "\x9b2J", "\r", "\n", "\x07", "\u202e", "\u2028"])
def test_a_report_gives_a_terminal_no_commands(command: str) -> None:
    report = report_of({"node": f"a{command}b", "versions": {command: command}})
    shown = str(report) + report._repr_html_()
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert one_line(f"a{command}b") in str(report)
    assert report.node == f"a{command}b"


def test_a_report_is_shown_in_lines_of_a_terminal() -> None:
    shown = str(report_of({**STATUS, "node": "n" * 300}))
    assert max(map(len, shown.splitlines())) <= 78
    assert shown.replace(" ", "").replace("\n", "").count("n" * 300) == 1
    for each in (shown, str(report_of({}))):
        assert each == "\n".join(line.rstrip() for line in each.splitlines())


def test_a_report_puts_no_markup_into_a_notebook() -> None:
    shown = report_of(
        {"node": "<script>alert('1')</script>", "versions": {"<b>": "&"}}
    )._repr_html_()
    assert "<script" not in shown and "<b>" not in shown
    assert "&lt;script&gt;" in shown and "&lt;b&gt; &amp;" in shown
    assert shown.count("<tr>") == shown.count("</tr>") == len(report_of({}).rows())


def test_a_digest_is_for_programs_and_not_shown() -> None:
    report = report_of({"versions": {"cfiddle": "0.6.1", "cfiddle_code": "0a1b2c3d"}})
    assert report.to_dict()["versions"]["cfiddle_code"] == "0a1b2c3d"
    assert dict(report.rows())["versions"].startswith("cfiddle 0.6.1")
    assert "0a1b2c3d" not in str(report)
