"""What becomes of a few modules on the user node, in its virtual environments too.

Each change is made when its module is imported, and costs nothing before. Where a module is not as
expected here (another version), it stays as it is: whatever happens, Python starts.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def run_on_the_cluster(_: ModuleType) -> None:
    """CFiddle's run() is executed on the cluster also where nobody called configure()."""
    from cfiddle_slurm import by_default

    by_default.configure()


def know_our_delegate(_: ModuleType) -> None:
    """Chains of delegate_function in YAML may name ours, whoever has imported what before."""
    importlib.import_module("cfiddle_slurm.delegate")


def runtime_folder() -> str:
    """The account's own folder for sockets, which nobody else may enter, made if it is missing."""
    from jupyter_core.paths import jupyter_runtime_dir

    folder = jupyter_runtime_dir()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def talk_by_sockets_in_a_folder(connect: ModuleType) -> None:
    """Kernels and their clients use unix sockets: a port of 127.0.0.1 is open to every account.

    What a kernel publishes, every cell and its output, needs no key to be read.
    """

    def place(self: Any) -> str:
        if self.transport != "ipc":
            return str(connect.localhost())
        name = os.path.splitext(os.path.basename(self.connection_file))[0]
        return os.path.join(runtime_folder(), f"{name or f'kernel-{os.urandom(8).hex()}'}-ipc")

    mixin = connect.ConnectionFileMixin
    mixin.transport.default_value = "ipc"
    mixin._ip_default = place


def pipe_by_a_socket_in_a_folder(iostream: ModuleType) -> None:
    """The same for what a kernel's forked processes print."""
    zmq, thread = iostream.zmq, iostream.IOPubThread

    def listen(self: Any) -> None:
        self._pipe_uuid = os.urandom(16)
        self._pipe_place = f"ipc://{runtime_folder()}/pipe-{os.getpid()}-{os.urandom(4).hex()}"
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(self._pipe_place)
        self._pipe_in = iostream.ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def connect(self: Any) -> tuple[Any, Any]:
        context = zmq.Context()  # a new one: this is another process
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(self._pipe_place)
        return context, pipe

    thread._setup_pipe_in, thread._setup_pipe_out = listen, connect


def no_debugger(debugger: ModuleType) -> None:
    """debugpy listens at a port without any key, and executes what it is sent."""
    if hasattr(debugger, "_is_debugpy_available"):
        debugger._is_debugpy_available = False


AFTER: dict[str, Callable[[ModuleType], None]] = {
    "cfiddle": run_on_the_cluster,
    "delegate_function": know_our_delegate,
    "jupyter_client.connect": talk_by_sockets_in_a_folder,
    "ipykernel.iostream": pipe_by_a_socket_in_a_folder,
    "ipykernel.debugger": no_debugger,
}


class Finder(importlib.abc.MetaPathFinder):
    """Finds these modules as everybody does, and has something done after their own code."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A module's spec; None for all others."""
        if name not in AFTER or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy.discard(name)
        if spec is not None and spec.loader is not None:
            _do_afterwards(spec.loader, AFTER[name])
        return spec


def _do_afterwards(loader: Any, action: Callable[[ModuleType], None]) -> None:
    execute = loader.exec_module

    def execute_both(module: ModuleType) -> None:
        execute(module)
        try:
            action(module)
        except (AttributeError, ImportError, OSError, StopIteration, TypeError):
            return  # a version that is not known here, or no cfiddle_slurm beside it

    loader.exec_module = execute_both


sys.meta_path.insert(0, Finder())
