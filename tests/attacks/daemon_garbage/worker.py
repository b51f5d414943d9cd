"""In the student's own allocation."""

import json
import random
import struct

from tests.attacks.caller import DATA, END, HELLO, PING, STATUS, ask, frame, hello

DICE = random.Random(4)
GARBAGE = {
    "nothing": b"",
    "noise": DICE.randbytes(100_000),
    "zeros": bytes(100_000),
    "half a header": b"H\0",
    "a length without end": struct.pack(">cI", HELLO, 0xFFFFFFFF),
    "a megabyte of JSON": frame(HELLO, b'{"a":"' + b"x" * (1 << 20) + b'"}'),
    "deep JSON": frame(HELLO, b"[" * 60_000),
    "a huge number": frame(HELLO, b'{"wall_seconds":' + b"9" * 60_000 + b"}"),
    "infinity": hello(wall_seconds=float("inf")),
    "not a number": hello(wall_seconds=float("nan")),
    "no object": frame(HELLO, b"[]"),
    "not UTF-8": frame(HELLO, b"\xff\xfe{}"),
    "unknown key": hello(privileged=True),
    "mounts": hello(binds=["/:/host"]),
    "another image": hello(image="debian:latest"),
    "an image with options": hello(image="--privileged"),
    "an image of a path": hello(image="../../etc"),
    "more memory": hello(memory_bytes=1 << 50),
    "negative memory": hello(memory_bytes=-1),
    "no memory": hello(memory_bytes=1),
    "more time": hello(wall_seconds=10**9),
    "run id with a path": hello(run_id="../../../x"),
    "run id with a line": hello(run_id="0123456789abcde\n"),
    "wrong protocol": hello(protocol=99),
    "protocol of another type": hello(protocol=[]),
    "data first": frame(DATA, b"x"),
    "end first": frame(END, b""),
    "a status": frame(STATUS, b"{}"),
}


def main() -> None:
    """Print what was not refused."""
    wrong = []
    for name, data in GARBAGE.items():
        print(name)
        if ask(data) not in ("refused", "nothing"):
            wrong.append(name)
    if ask(frame(PING, b'{"protocol": 1}')) != "ok":
        wrong.append("sandboxd does not answer any more")
    print(json.dumps(wrong))


if __name__ == "__main__":
    main()
