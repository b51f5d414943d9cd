"""Names of files: in a job directory, a bundle, a result stream, the guest's work directory.

A module of its own that imports nothing slow: client and experiment are started for every run.
"""

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

BUNDLE = "bundle.tar"
"""In a job directory: what is to be executed, and its input files."""
REQUEST = "request.json"
"""What the run asks of sandboxd; the client sends it."""
STARTED = "started.json"
"""Made by the job that takes the run, which no other can take then."""
JOB_SCRIPT = "job.sh"
"""The batch script."""
SLURM_LOG = "slurm.log"
"""What it and Slurm's daemons printed."""
OUTPUT = "output.log"
"""What the experiment printed."""
RESULT = "result.tar"
"""The result stream, once it is whole."""
REPORT = "report.json"
"""How the run ended; see :mod:`cfiddle_slurm.sandbox.status`."""
FAILED = "failed.txt"
"""Why the run failed; its presence says that nobody works in the directory any more."""
OWNER = "owner"
"""Locked by the notebook's process as long as it lives; holds its process number and host."""
PART = ".part"
"""Suffix of a file that is not whole yet."""

HOME_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""The system's errors that say that the shared home takes nothing more, whoever tries."""

MANIFEST = "manifest.json"
"""First member of a bundle: what to execute."""
FILES = "files"
"""The experiment's working directory, with the input files."""
MODULES = "modules"
"""Source files of the user's own modules."""
PROGRAMS = "programs"
"""Commands that the guest makes for the experiment."""
RESULTS = "results"
"""The records of the run, one file per process."""
LONGEST_LINE = 4 << 20
"""Bytes of a record that is a line of JSON, or a part of one; with its end."""
MISSING_PACKAGE = "cfiddle_slurm.MissingPackage"
"""In the record of an exception, in place of its class: what was sent needs a package, named in the
text, that the sandbox does not have."""
OUTPUTS = "outputs"
"""The output files, in a result stream."""
DONE = "done"
"""Suffix of the empty file that says a process came to its own end."""


def is_run_id(name: object) -> "TypeGuard[str]":
    """Whether this has the form of a run's id, after which its job directory is named."""
    return isinstance(name, str) and len(name) == 16 and not name.strip("0123456789abcdef")
