"""Stands in for delegate_function in tests: its protocol, as far as a chain with ours meets it.

The names, and what each does for the one who calls it, are the package's; the rest is not. Its
YAML is read as JSON, which is YAML too. `make test-upstream` runs the same tests with the real one.
"""

import copy
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


class DelegateFunctionException(Exception):
    """A delegate could not do its work."""


class BaseDelegate:
    """Calls the method, or has the next delegate do it."""

    def __init__(
        self, subdelegate: Any = None, debug_pre_hook: Any = None, interactive: bool = False
    ) -> None:
        self._subdelegate = subdelegate
        self._debug_pre_hook = debug_pre_hook
        self._interactive = interactive

    def set_subdelegate(self, subdelegate: Any) -> None:
        """Choose the next one."""
        self._subdelegate = subdelegate

    def invoke(self, obj: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call ``obj.method(*args, **kwargs)``."""
        # The real one keeps all of it, and so its object leads to what was delegated.
        self._obj, self._method, self._argc, self._kwargs = obj, method, args, kwargs
        return self._do_invoke()

    def _do_invoke(self) -> Any:
        return self._delegated_invoke()

    def _delegated_invoke(self) -> Any:
        if self._subdelegate is not None:
            return self._subdelegate.invoke(self._obj, self._method, *self._argc, **self._kwargs)
        return getattr(self._obj, self._method)(*self._argc, **self._kwargs)


class TrivialDelegate(BaseDelegate):
    """Adds nothing."""


class TemporaryDirectoryDelegate(BaseDelegate):
    """Calls in a directory of its own; as the real one, it forgets what the call returns."""

    def _do_invoke(self) -> None:
        here = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                super()._do_invoke()
            finally:
                os.chdir(here)


class SubprocessDelegate(BaseDelegate):
    """Calls in a process of its own, which gets this very object, and gives it back."""

    def _do_invoke(self) -> Any:
        program = (
            "import pickle, sys; delegate = pickle.load(sys.stdin.buffer); "
            "value = delegate._delegated_invoke(); "
            "pickle.dump((value, vars(delegate._obj)), open(sys.argv[1], 'wb'))"
        )
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder, "answer")
            done = subprocess.run(
                [sys.executable, "-c", program, str(answer)],
                input=pickle.dumps(self), check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
            if done.returncode != 0:
                raise DelegateFunctionException("The process failed.")
            value, state = pickle.loads(answer.read_bytes())
        vars(self._obj).update(state)
        return value


def DelegateChain(*kinds: Any, **options: Any) -> Any:
    """What makes a chain of them, the first one outermost."""

    def make() -> Any:
        found = None
        for kind in reversed(kinds):
            if found is not None and found._interactive:
                options["interactive"] = True
            found = kind(subdelegate=found, **options)
        return found

    return make


class DelegateGenerator(BaseDelegate):
    """A chain as a text says."""

    def __init__(self, filename: str | None = None, yaml: str | None = None) -> None:
        text = Path(filename).read_text() if filename is not None else str(yaml)
        self._spec = json.loads(text)
        self._delegates = [self._factory(one) for one in self._spec["sequence"]]
        self._wrapped_delegate = DelegateChain(*self._delegates)()

    def set_subdelegate(self, subdelegate: Any) -> None:
        """Choose what comes behind the first of the chain."""
        self._wrapped_delegate.set_subdelegate(subdelegate)

    def invoke(self, obj: Any, method: str, *args: Any, **kwargs: Any) -> None:
        """As the real one, it forgets what the call returns."""
        self._wrapped_delegate.invoke(obj, method, *args, **kwargs)

    def _factory(self, spec: dict[str, Any]) -> Any:
        kind = globals().get(spec["type"])
        if kind is None or not issubclass(kind, BaseDelegate):
            raise DelegateFunctionException(f"There is no delegate {spec['type']}.")

        def make(**more: Any) -> Any:
            options = {name: _expanded(value) for name, value in spec.items() if name != "type"}
            return kind(**copy.copy(options), **more)

        return make


def _expanded(value: Any) -> Any:
    return os.path.expandvars(value) if isinstance(value, str) else value


class YAMLDelegate(BaseDelegate):
    """A chain as a file says, which is read when it is used."""

    def __init__(self, configuration_file: str | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._configuration_file = configuration_file

    def invoke(self, obj: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Read it, and have its chain make the call."""
        self._target = DelegateGenerator(filename=self._file())
        self._target.set_subdelegate(self._subdelegate)
        return self._target.invoke(obj, method, *args, **kwargs)

    def _file(self) -> str:
        return str(self._configuration_file)


class LateBoundYAMLDelegate(YAMLDelegate):
    """The same with the file that a variable names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(None, *args, **kwargs)

    def _file(self) -> str:
        if "DELEGATE_FUNCTION_CONFIG" not in os.environ:
            raise DelegateFunctionException("DELEGATE_FUNCTION_CONFIG names no file.")
        return os.environ["DELEGATE_FUNCTION_CONFIG"]


class TestClass:
    """What tests delegate."""

    def __init__(self) -> None:
        self._value = 0

    def hello(self) -> int:
        """The process that was called."""
        return os.getpid()

    def set_value(self, v: int) -> None:
        """Keep a value."""
        self._value = v


class ShellCommandClass:
    """Runs a command."""

    def __init__(self, *args: Any, env: dict[str, str] | None = None, **kwargs: Any) -> None:
        self._args, self._kwargs, self._env = args, kwargs, env or {}

    def run(self) -> None:
        """Run it."""
        run: Any = subprocess.run
        run(*self._args, **self._kwargs, env={**os.environ, **self._env})
