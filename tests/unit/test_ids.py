"""The accounts' ids, in Python as in the images."""

import re
from pathlib import Path

from cfiddle_slurm import ids

ROOT = Path(__file__).parents[2]
DOCKERFILES = [*ROOT.glob("cluster/*Dockerfile"), *ROOT.glob("sandbox/*Dockerfile")]


def test_the_images_make_these_accounts_and_no_others() -> None:
    text = "".join(path.read_text() for path in DOCKERFILES).replace("\\\n", "")
    users = re.findall(r"useradd .*?--uid (\d+) --gid (\d+) [^&\n]*?(\w+) *(?:&|\n|$)", text)
    ours = [(int(uid), int(gid), name) for uid, gid, name in users if int(uid) >= 7000]
    assert sorted(ours) == [(number, number, name) for number, name in ids.NAMES.items()]


def test_programs_that_change_their_account_use_them() -> None:
    for path in (ROOT / "cluster" / "daemon", ROOT / "sandbox" / "Dockerfile"):
        text = path.read_text()
        assert set(map(int, re.findall(r"\b(7[01]\d\d)\b", text))) <= set(ids.NAMES), path
        assert str(ids.CFIDDLE) in text


def test_what_the_images_use_no_person_gets() -> None:
    assert set(ids.NAMES) <= ids.RESERVED
