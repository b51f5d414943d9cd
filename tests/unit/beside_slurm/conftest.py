"""Stand-ins for programs, as in the tests of the schedulers."""

from tests.unit.schedulers.conftest import commands

__all__ = ["commands"]
