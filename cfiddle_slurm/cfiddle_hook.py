"""Where CFiddle looks for what executes its runs."""

HOOKS = ("RunnerExecutionMethod_type", "RunnerDelegate_type")
"""The newer CFiddle's key, and the released one's (which accepts any key silently)."""


def hook() -> str:
    """By which key this CFiddle finds what executes its runs."""
    from cfiddle.config import peek_config

    known = peek_config()
    return next(name for name in HOOKS if name in known)
