"""Whatever Slurm's commands print, it is read without a fault and into the types that are meant."""

from hypothesis import given
from hypothesis import strategies as st

from cfiddle_slurm.schedulers.base import JobState, JobStatus
from cfiddle_slurm.schedulers.slurm_parse import (
    Trouble,
    complains,
    own_words,
    parse_sacct,
    parse_search,
    parse_squeue,
    parse_srun_log,
    parse_submission,
    trouble_of,
)
from cfiddle_slurm.slurm_states import (
    node_takes_jobs,
    parse_nodes,
    reason_in_english,
    status_of,
)

WORDS = st.text(max_size=6) | st.sampled_from(
    ["7", "PENDING", "CANCELLED by 1000", "None assigned", "(null)", "w1", "0:0", "COMPLETED+", "",
     "srun: job 7 queued", "sbatch: error: ", "7;cluster", "IDLE*+DRAIN", "NodeName=w1", "State=",
     "State=IDLE", "Reason=x [root@2025]", "ActiveFeatures=(null)", "\u2028", "\x85", "\x1c"]
)  # fmt: skip
LINES = st.lists(st.lists(WORDS, max_size=6), max_size=4)


def printed(lines: list[list[str]], between: str) -> str:
    return "\n".join(between.join(words) for words in lines)


def check_states(found: dict[str, JobState]) -> None:
    for job_id, state in found.items():
        assert job_id and state.job_id == job_id
        assert state.status in JobStatus and state.status is status_of(state.raw)
        assert state.node is None or state.node
        assert "\n" not in job_id + state.raw + state.reason + (state.node or "")


@given(LINES)
def test_any_lines_of_the_queue_are_jobs_or_nothing(lines: list[list[str]]) -> None:
    text = printed(lines, "|")
    check_states(parse_squeue(text))
    check_states(parse_sacct(text))


@given(LINES, st.sampled_from(["", " ", "|", ";"]))
def test_any_answer_to_a_submission_is_a_job_or_trouble(
    lines: list[list[str]], between: str
) -> None:
    text = printed(lines, between)
    for job_id in (parse_submission(text), parse_srun_log(text)):
        assert job_id is None or job_id.isdecimal()
    assert trouble_of(text) in Trouble
    words = own_words(text)
    assert words and len(words.splitlines()) == 1


BANNERS = st.lists(st.text(st.characters(exclude_characters="\n|;")), max_size=4).map(
    lambda lines: "".join(f"# {line}\n" for line in lines)
)


@given(BANNERS, BANNERS, st.integers(1, 2**32), st.sampled_from(["", ";physics"]))
def test_a_submission_is_found_between_any_banners(
    before: str, after: str, number: int, cluster: str
) -> None:
    assert parse_submission(f"{before}{number}{cluster}\n{after}") == str(number)
    text = f"{before}{number}|RUNNING|None|w1|x\n{after}"
    assert set(parse_squeue(text)) == set(parse_sacct(text)) == {str(number)}
    assert parse_search(f"{before}{number}|/x\n1|/y\n{after}", "/x") == [str(number)]


@given(BANNERS, BANNERS, st.sampled_from(["No such qos", "Socket timed out", "Unspecified error"]))
def test_no_banner_changes_what_slurm_says(before: str, after: str, words: str) -> None:
    plain = f"sbatch: error: Batch job submission failed: {words}\n"
    text = before + plain + after
    assert trouble_of(text) is trouble_of(plain)
    assert complains(text) and not complains(before + after)
    assert own_words(text).startswith(words)


@given(LINES | st.lists(st.lists(st.text())))
def test_any_lines_of_nodes_are_nodes_or_nothing(lines: list[list[str]]) -> None:
    found = parse_nodes(printed(lines, " "))
    assert [node.name for node in found] == sorted(node.name for node in found)
    for node in found:
        texts = (node.name, node.state, node.features, node.reason)
        assert all(type(text) is str for text in texts)
        assert not (node.usable and node.state == "")
        assert type(node.busy) is bool


@given(WORDS | st.text())
def test_any_word_for_a_state_or_a_reason_has_a_meaning(word: str) -> None:
    assert status_of(word) in JobStatus
    assert reason_in_english(word)
    assert type(node_takes_jobs(word)) is bool
