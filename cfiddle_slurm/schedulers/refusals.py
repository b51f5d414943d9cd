"""The errors that users see when Slurm does not take or start a job."""

from cfiddle_slurm.errors import (
    CFiddleSlurmError,
    NodeFailed,
    SchedulerUnavailable,
    SubmissionError,
)
from cfiddle_slurm.schedulers.slurm_parse import Trouble, failed_node, own_words


def error_of(trouble: Trouble, stderr: str) -> CFiddleSlurmError:
    """The error for a submission's failure after which there is no job.

    Args:
        trouble: what the failure means.
        stderr: what sbatch or srun printed.
    """
    words = own_words(stderr)
    if trouble is Trouble.HEAD_FULL:
        return SchedulerUnavailable(
            "Slurm cannot write the job down: the disk of the cluster's head is full.",
            hint="Tell whoever runs the cluster; it is not your experiment's fault.",
            cause=words,
        )
    if trouble is Trouble.NOT_STARTED:
        return NodeFailed(f"The worker could not start the job: {words}.", node=failed_node(stderr))
    return SubmissionError(
        f"Slurm refused the job: {words}.", hint="job_script() shows what was submitted."
    )
