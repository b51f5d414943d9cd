"""In the student's own allocation."""

import itertools
import json
import sys
import threading
import time
from pathlib import Path

from tests.attacks.caller import STATUS, bundle_frames, connect, frames, hello

ACCEPTED = b"A"


def main() -> None:
    """Print what was wrong."""
    bundle = Path(sys.argv[1]).read_bytes()
    spans: list[tuple[float, float]] = []
    threads = [threading.Thread(target=run, args=(bundle, spans)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans.sort()
    print(spans)
    wrong = []
    if not spans:
        wrong.append("none was carried out")
    if any(second[0] < first[1] for first, second in itertools.pairwise(spans)):
        wrong.append("two were carried out at the same time")
    print(json.dumps(wrong))


def run(bundle: bytes, spans: list[tuple[float, float]]) -> None:
    """From being accepted to the status; nothing for one that was sent away."""
    with connect(30) as connection:
        connection.sendall(hello() + bundle_frames(bundle))
        first = connection.recv(1)
        began = time.monotonic()
        rest = frames(connection)
        if first == ACCEPTED:
            spans.append((began, time.monotonic()))
        print(first, [kind for kind, _ in rest if kind == STATUS])


if __name__ == "__main__":
    main()
