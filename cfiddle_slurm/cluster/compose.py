"""Parts of what ``docker stack config`` prints. Pure."""

import re
from collections.abc import Collection

_SERVICE = re.compile(r"  ([^\s:]+):\s*")


def only(text: str, names: Collection[str]) -> str:
    """The text with these services and no others; networks, volumes and the rest stay.

    Args:
        text: as Docker prints it: two blanks before the name of a service, more before what it is.
    """
    kept, inside, wanted = [], False, True
    for line in text.splitlines(keepends=True):
        if not line.startswith(" "):
            inside, wanted = line.strip() == "services:", True
        elif inside and (found := _SERVICE.fullmatch(line.rstrip("\n"))):
            wanted = found[1] in names
        if wanted:
            kept.append(line)
    return "".join(kept)
