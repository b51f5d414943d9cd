"""``scheduler="slurm"``: drives Slurm by its commands, or by pyslurm where that is there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cfiddle_slurm.errors import SchedulerUnavailable
from cfiddle_slurm.schedulers import slurm_commands
from cfiddle_slurm.schedulers.base import JobState
from cfiddle_slurm.schedulers.binding import questions
from cfiddle_slurm.schedulers.job_script import excluding, submitted_text
from cfiddle_slurm.schedulers.slurm_parse import (
    SACCT_FORMAT,
    SINFO_FORMAT,
    SQUEUE_FORMAT,
    own_words,
    parse_node_states,
    parse_sacct,
    parse_squeue,
)
from cfiddle_slurm.schedulers.submission import Submission
from cfiddle_slurm.settings import Settings
from cfiddle_slurm.slurm_states import (
    node_is_out,
    node_takes_jobs,
    reason_in_english,
    reason_is_a_machines,
)

_UNKNOWN_JOB = "Invalid job id"


class SlurmScheduler:
    """Submits with sbatch or srun, asks squeue and then sacct, cancels with scancel.

    Args:
        binding: the setting: whether pyslurm is asked before sbatch, squeue and scancel.
    """

    name = "slurm"

    def __init__(self, binding: str = "commands") -> None:
        self._binding = binding

    def submit(self, run_id: str, folder: Path, settings: Settings) -> str:
        """As :meth:`Submission.submit`."""
        return Submission(run_id, folder, settings).submit()

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """The states of jobs, from one question; those that are forgotten, from one sacct.

        What sacct says of a job that has not ended is no news: accounting hears nothing more of a
        job that slurmctld has lost.

        Raises:
            SchedulerUnavailable: slurmctld does not answer. An absent accounting is no error.
        """
        if not job_ids:
            return {}
        found = questions.states(self._binding, job_ids)
        if found is None:
            found = self._queued(job_ids)
        forgotten = [job_id for job_id in job_ids if job_id not in found]
        return found | (self._accounted(forgotten) if forgotten else {})

    def _queued(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        answer = slurm_commands.ask(
            ["squeue", "--noheader", "--states=all", f"--jobs={','.join(job_ids)}",
             f"--format={SQUEUE_FORMAT}"]
        )  # fmt: skip
        if answer.status != 0 and _UNKNOWN_JOB not in answer.stderr:
            raise slurm_commands.unavailable(own_words(answer.stderr))
        return parse_squeue(answer.stdout)

    def _accounted(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        try:
            answer = slurm_commands.ask(
                ["sacct", "--allocations", "--noheader", "--parsable2",
                 f"--jobs={','.join(job_ids)}", f"--format={SACCT_FORMAT}"]
            )  # fmt: skip
        except SchedulerUnavailable:
            return {}  # many sites have no accounting
        found = parse_sacct(answer.stdout) if answer.status == 0 else {}
        return {job_id: state for job_id, state in found.items() if state.status.final}

    def cancel(self, job_id: str) -> None:
        """Cancel a job, which may have ended already.

        Raises:
            SchedulerUnavailable: slurmctld does not answer.
        """
        if questions.cancel(self._binding, job_id):
            return
        answer = slurm_commands.ask(["scancel", "--quiet", job_id])
        if answer.status != 0 and _UNKNOWN_JOB not in answer.stderr:
            raise slurm_commands.unavailable(own_words(answer.stderr))

    def script(self, folder: Path, settings: Settings) -> str:
        """The command and the batch script."""
        return submitted_text(folder.name, folder, settings)

    def describe_wait(self, state: JobState) -> str:
        """Slurm's pending reason in plain English."""
        return reason_in_english(state.reason)

    def avoiding(self, settings: Settings, nodes: Sequence[str]) -> Settings:
        """As :meth:`Scheduler.avoiding`.

        Where only these nodes take jobs, any of them may be well again: better than to wait for
        others without end.
        """
        if not nodes:
            return settings
        known = self._nodes()
        others = [state for name, (state, _) in known.items() if name not in nodes]
        if not any(map(node_takes_jobs, others)):
            return settings
        there = [name for name in dict.fromkeys(nodes) if name in known]
        return replace(settings, sbatch_options=excluding(settings.sbatch_options, there))

    def withdrawn(self, node: str) -> str | None:
        """As :meth:`Scheduler.withdrawn`."""
        state, reason = self._nodes().get(node, ("", ""))
        return reason if node_is_out(state) and reason_is_a_machines(reason) else None

    def _nodes(self) -> dict[str, tuple[str, str]]:
        """State and reason of each node; none where Slurm does not say."""
        try:
            answer = slurm_commands.ask(
                ["sinfo", "--noheader", "--Node", f"--format={SINFO_FORMAT}"]
            )
        except SchedulerUnavailable:
            return {}
        return parse_node_states(answer.stdout) if answer.status == 0 else {}
