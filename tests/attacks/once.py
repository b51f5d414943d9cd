"""Carry out attacks on the cluster that is up: ``python -m tests.attacks.once [NAME ...]``."""

import sys

from cfiddle_slurm import process
from tests.attacks.corpus import ATTACKS, Attack, carry_out


def cluster(*words: str, timeout: float, input: bytes) -> process.Completed:  # noqa: A002
    """``python -m cfiddle_slurm.cluster`` with the file of this folder, or none."""
    command = [sys.executable, "-m", "cfiddle_slurm.cluster", *words]
    return process.run(command, timeout=timeout, input=input)


def main(names: list[str]) -> int:
    """Try each, and say what was not as expected."""
    wrong = 0
    for name in names or [path.name for path in ATTACKS]:
        attack = Attack.load(name)
        try:
            verdict = carry_out(attack, cluster, "test_user1")
        except (AssertionError, process.ProcessError) as error:
            print(f"WRONG {name}: {error}")
            wrong += 1
            continue
        faults = attack.faults(verdict)
        print(f"{'WRONG' if faults else 'ok':6}{name:40}{verdict.seconds:6.1f} s  {verdict.ended}")
        for fault in faults:
            print(f"      {fault}")
        if faults or len(names) == 1:
            print(verdict.printed[-6000:])
        wrong += bool(faults)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
