"""Decisions of the worker's side: of any policy, request, guest and end."""

import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cfiddle_slurm.report import RunReport
from cfiddle_slurm.run.outcomes import error_of_outcome
from cfiddle_slurm.sandbox.daemon.job_registry import NotRegistered, Registry
from cfiddle_slurm.sandbox.daemon.request import BadRequest, parse_hello, parse_job_id
from cfiddle_slurm.sandbox.daemon.verdict import (
    End,
    Evidence,
    State,
    Usage,
    judge,
)
from cfiddle_slurm.sandbox.policy import (
    FITS_CORES,
    GIB,
    Limits,
    Policy,
    PolicyError,
    load_policy,
    merge,
    parse_policy,
)
from cfiddle_slurm.sandbox.protocol import (
    STATUS,
    OutcomeKind,
    ProtocolError,
    json_frame,
    parse_json,
)
from cfiddle_slurm.sandbox.status import MAX_GUEST_STATUS, parse_guest_status
from cfiddle_slurm.tables import TableError
from tests.unit.anything import ANYTHING, DEEP, JSON, json_of

# Policy and request.

KEYS = st.sampled_from([field.name for field in fields(Policy)])
TOML = st.text(max_size=5) | st.sampled_from(
    ["0", "1", "1e7", "nan", "inf", "true", "'2GiB'", "'999999999999999TiB'", "0x" + "f" * 5000,
     "9" * 5000, "[" * 3000, "['a:1']", "[]", "'auto'", "'0-3'", "1979-05-27", "{}"]
)  # fmt: skip


def check_policy(policy: Policy) -> None:
    for field in fields(Policy):
        value, default = getattr(policy, field.name), getattr(Policy(), field.name)
        assert type(value) is type(default)
        if isinstance(value, int | float):
            assert 0 < value < 1 << 63 or (field.name == "cpu_seconds" and value == FITS_CORES)


@given(st.lists(st.builds("{} = {}".format, KEYS, TOML), max_size=3).map("\n".join) | st.text())
@example("processes = 9999999999999999999")
@example("wall_seconds = 0x" + "f" * 5000)
@example("memory = " + "9" * 5000)
@example("images = " + "[" * 3000)
def test_any_policy_file_is_a_policy_or_a_sentence(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sandbox.toml")
        file.write_text(text, encoding="utf-8", errors="replace")
        try:
            check_policy(load_policy(file))
        except PolicyError as error:
            assert str(file) in str(error) and len(str(error)) < 2000


@given(st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_any_table_is_a_policy_of_the_right_types(table: dict[str, Any]) -> None:
    try:
        check_policy(parse_policy(table, "a table"))
    except TableError as error:
        assert str(error) and len(str(error)) < 1000


POLICIES = st.builds(
    Policy,
    images=st.sampled_from([("a:1",), ("a:1", "b:2")]),
    memory=st.integers(16 << 20, 4 * GIB),
    wall_seconds=st.floats(0.001, 1e7),
    cpu_seconds=st.just(FITS_CORES) | st.floats(0.001, 1e7),
)
GOOD: dict[str, Any] = {"protocol": 1, "job_id": "12", "run_id": "0123456789abcdef"}
NUMBERS = JSON | st.floats(0, 1e7) | st.integers(1, 5 * GIB) | st.just("DEEP")
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["a:1", "b:2", "", "c:3"]) | JSON,
        "memory_bytes": NUMBERS,
        "wall_seconds": NUMBERS,
        "cpu_seconds": NUMBERS,
        "protocol": JSON | st.just("DEEP"),
        "job_id": JSON | st.just("DEEP"),
        "DEEP": JSON,
    },
)


def within(limits: Limits, policy: Policy) -> bool:
    return (
        limits.image in policy.images
        and 0 < limits.memory <= policy.memory
        and 0 < limits.wall_seconds <= policy.wall_seconds
        and 0 < limits.cpu_seconds <= (policy.cpu_seconds or policy.wall_seconds)
    )


@settings(max_examples=80)
@given(POLICIES, WISHES, DEEP)
def test_no_request_gets_above_any_policy(
    policy: Policy, wishes: dict[str, Any], deep: bytes
) -> None:
    payload = json_of({**GOOD, **wishes}, deep)
    try:
        request = parse_hello(parse_json(payload), policy)
    except (BadRequest, ProtocolError) as error:
        assert str(error) and len(str(error)) < 1000
        return
    assert within(request.limits, policy)


@pytest.mark.parametrize("key", ["memory_bytes", "wall_seconds", "cpu_seconds"])
@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), 1e308])
def test_a_limit_beyond_all_numbers_is_refused_like_any_other(key: str, value: float) -> None:
    with pytest.raises(BadRequest):
        parse_hello({**GOOD, key: value}, Policy())
    with pytest.raises(PolicyError):
        merge(Policy(), {key: abs(value)})


@given(st.dictionaries(st.sampled_from(["job_id", "a"]), ANYTHING))
def test_any_question_names_a_job_or_is_refused(question: dict[str, Any]) -> None:
    try:
        assert int(parse_job_id(question)) > 0
    except BadRequest as error:
        assert len(str(error)) < 200


@given(JSON.map(json.dumps) | st.text(max_size=20), st.sampled_from(["7", "0", "../7", "", "a"]))
def test_any_registration_is_of_the_user_or_of_nobody(text: str, job_id: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        owner = Path(folder).stat().st_uid
        Path(folder, "7").write_text(text, encoding="utf-8", errors="replace")
        try:
            Registry(Path(folder), owner).check(job_id, 1000)
        except NotRegistered as error:
            assert str(error).endswith((".", "None")) or "cannot be read" in str(error)
            return
    assert job_id == "7" and json.loads(text)["uid"] == 1000


# The guest's last word, and the verdict.

OUTCOMES = st.fixed_dictionaries(
    {"kind": st.sampled_from([kind.value for kind in OutcomeKind]) | JSON},
    optional={
        "message": st.text() | JSON | st.just("\x7f" * 9000),
        "signal": st.text() | JSON | st.just("\x7f" * 9000),
        "code": st.integers() | JSON,
    },
)
STATUSES = st.fixed_dictionaries(
    {"outcome": OUTCOMES | JSON},
    optional={"cpu_seconds": JSON, "max_rss_bytes": JSON, "versions": JSON, "x": st.just("DEEP")},
)
EVIDENCE = st.builds(
    Evidence,
    st.sampled_from(End),
    st.none(),
    st.builds(Usage, *[st.none() | st.integers(0, 2 * GIB)] * 3),
    st.none() | st.builds(State, st.none(), st.booleans(), st.none() | st.integers(0, 255)),
    st.booleans(),
    st.text(),
)
LIMITS = Limits("a:1", GIB, 60.0, 60.0)


@settings(max_examples=80)
@given(STATUSES, DEEP, EVIDENCE)
def test_any_end_has_an_outcome_that_can_be_told(
    status: dict[str, Any], deep: bytes, evidence: Evidence
) -> None:
    try:
        guest = parse_guest_status(json_of(status, deep))
    except ProtocolError as error:
        assert str(error).endswith(".")
        guest = None
    evidence = Evidence(
        evidence.end, guest, evidence.usage, evidence.state, evidence.at_process_limit,
        evidence.detail,
    )  # fmt: skip
    assume(guest is not None or evidence.end is not End.GUEST_DONE)
    said = judge(evidence, Policy(), LIMITS)
    assert OutcomeKind(said["kind"]) and isinstance(said["message"], str)
    if guest is None or evidence.end is not End.GUEST_DONE:
        assert said["kind"] != "ok"
    whole = {"outcome": said, "guest": guest}
    frame = json_frame(STATUS, whole)  # it fits, with room for what sandboxd adds
    assert len(frame) < (64 << 10) - 1500
    there = parse_json(frame[5:])
    assert there == whole
    assert (error_of_outcome(there) is None) == (said["kind"] == "ok")
    report = RunReport.of(
        there, scheduler="slurm", submitted=0.0, started=None, finished=1.0, collected=2.0
    )
    assert str(report) and report.exit_reason


LONG = MAX_GUEST_STATUS - 100


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * LONG, True), ("é" * (LONG // 2), True), ("\x7f" * LONG, False)]
)
def test_a_guest_status_is_as_long_as_it_is_when_it_is_passed_on(text: str, fits: bool) -> None:
    payload = json.dumps({"outcome": {"kind": "ok"}, "x": text}, ensure_ascii=False).encode()
    if fits:
        guest: Any = parse_guest_status(payload)
        assert guest["x"] == text
    else:
        with pytest.raises(ProtocolError, match="too long"):
            parse_guest_status(payload)


@pytest.mark.parametrize("fields_", [{"signal": "S" * 41}, {"code": 1 << 31}, {"code": -(1 << 40)}])
def test_a_signal_or_a_code_that_is_none_is_refused(fields_: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="a signal or a code that is none"):
        parse_guest_status(json.dumps({"outcome": {"kind": "signal", **fields_}}).encode())


def test_a_number_that_could_not_be_passed_on_is_refused() -> None:
    for number in (b"1e999", b"-1e999"):
        with pytest.raises(ProtocolError, match="too large a number"):
            parse_guest_status(b'{"outcome": {"kind": "ok"}, "cpu_seconds": ' + number + b"}")
