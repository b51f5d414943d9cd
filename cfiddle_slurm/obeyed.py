"""Names by which others act: files that are run, attributes that are called, without a word.

What the sandbox wrote must not stand under such a name unless somebody asked for that very name.
"""

import fnmatch

_OBEYED = (
    "sitecustomize.py", "usercustomize.py", "conftest.py", "*.pth", "*.pyc", "jupyter*_config.py",
    "jupyter*_config.json", "ipython*_config.py", "ipython*_config.json", "*.desktop",
)  # fmt: skip
"""Python, pytest, Jupyter, IPython and desktops run or obey these where they find them."""


def is_obeyed_file(path: str) -> bool:
    """Whether a relative path is hidden, or one that some program runs or obeys by itself.

    A shell runs ``.bashrc``, IPython what is in ``.ipython/profile_default/startup``, git
    ``.git/hooks``; and some are not hidden.
    """
    *_, last = parts = path.split("/")
    return any(part.startswith(".") or part == "__pycache__" for part in parts) or any(
        fnmatch.fnmatchcase(last.lower(), name) for name in _OBEYED
    )


def is_obeyed_attribute(name: str) -> bool:
    """Whether an attribute of that name is for Python or a display: ``__reduce__``, ``_repr_x_``.

    Who copies, prints or displays an object asks it for such, calls what it finds, or believes it:
    numpy reads memory where an ``__array_interface__`` says.
    """
    return len(name) > 1 and name[0] == name[-1] == "_" and name.strip("_") != ""
