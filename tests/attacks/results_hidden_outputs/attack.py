"""Output files that run by themselves, where the student asked for all."""

import contextlib
import io
from pathlib import Path

from tests.attacks.student import Student

SOURCE = """
#include <cstdio>
#include <initializer_list>
#include <sys/stat.h>
extern "C" long attack(long n) {
    for (const char *folder : {
             ".ipython", ".ipython/profile_default", ".ipython/profile_default/startup", ".ssh",
             ".jupyter", ".config", ".local", "sub", "sub/.git", "sub/.git/hooks", "__pycache__"})
        mkdir(folder, 0700);
    for (const char *name : {
             "plain.txt", "sub/plain.txt", ".bashrc", ".profile", ".ssh/authorized_keys",
             ".ipython/profile_default/startup/x.py", ".jupyter/jupyter_server_config.py",
             ".config/x", ".local/x", "sub/.git/hooks/post-commit", "sub/.hidden",
             "sitecustomize.py", "sub/conftest.py", "jupyter_server_config.py",
             "__pycache__/x.cpython-313.pyc", ".named"}) {
        FILE *file = fopen(name, "w");
        if (!file)
            return -1;
        fputs("harm", file);
        fclose(file);
    }
    return n;
}
"""
GLOBS = (
    ["*", "**"],
    ["**/*", ".*", ".ipython/**", "sub/.git/*/*", "*.py"],
    [".named", "**"],
)
WANTED = {"plain.txt", "sub/plain.txt"}


def attack(student: Student) -> list[str]:
    """The files that came, and run by themselves."""
    wrong = []
    for globs in GLOBS:
        before = _files()
        with contextlib.redirect_stderr(io.StringIO()) as told:
            said = student.notebook(SOURCE, output_files=globs)
        came = _files() - before
        wanted = WANTED | ({".named"} if ".named" in globs else set())
        print(f"{globs}: {said}, {sorted(came)}, {told.getvalue()!r}")
        is_told = ".named" in told.getvalue()
        if said != "taken" or came != wanted or is_told != (".named" in wanted):
            wrong.append(f"{globs}: {said}, {sorted(came ^ wanted)}, {told.getvalue()!r}")
        for name in came:
            Path(name).unlink()
    return wrong


def _files() -> set[str]:
    found = (path for path in Path().rglob("*") if ".cfiddle" not in path.parts)
    return {f"{path}" for path in found if path.is_file()}
