"""What this package tells a user beside results and errors: single lines on standard error."""

import contextlib
import sys


def tell(text: str) -> None:
    """Say something, where there is anybody to hear it: nothing fails because nobody does."""
    with contextlib.suppress(OSError, ValueError):  # full, or closed
        if sys.stderr is not None:
            print(f"cfiddle_slurm: {text}", file=sys.stderr, flush=True)
