"""Functions of modules replaced by ones that only note that they were called."""

from collections.abc import Callable
from types import ModuleType

import pytest


class Recorder:
    """What was called, in order, as ``module.function``.

    Attributes:
        calls: the names.
        arguments: of the last call, by name.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.calls: list[str] = []
        self.arguments: dict[str, tuple[object, ...]] = {}

    def replace(self, module: ModuleType, **answers: object) -> None:
        """Have functions of a module give these answers; an exception is raised."""
        short = module.__name__.rpartition(".")[2]
        for name, answer in answers.items():
            self._patch.setattr(module, name, self._noted(f"{short}.{name}", answer))

    def _noted(self, name: str, answer: object) -> Callable[..., object]:
        def noted(*arguments: object, **options: object) -> object:
            self.calls.append(name)
            self.arguments[name] = (*arguments, *options.values())
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return noted
