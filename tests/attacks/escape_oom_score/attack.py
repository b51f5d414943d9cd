"""Lowers its own score, raises the guest's."""

SERVICES, LOWEST, HIGHEST = 0, -1000, 1000
"""How far down it gets, to 0 or to the guest's 500, depends on whether the engine itself has
CAP_SYS_RESOURCE (proc_pid_oom_score_adj(5)); below the machine's services it must never get."""


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """The scores that it got."""
        found = []
        for score in range(SERVICES - 1, LOWEST - 1, -1):
            if not _writes("/proc/self/oom_score_adj", score):
                break
            found = [f"own score {score}"]
        if _writes("/proc/1/oom_score_adj", HIGHEST):
            found.append(f"guest's score {HIGHEST}")
        return found


def _writes(path: str, score: int) -> bool:
    try:
        with open(path, "w") as stream:
            stream.write(str(score))
    except OSError as error:
        print(f"{path}, {score}: {error.strerror}")
        return False
    return True
