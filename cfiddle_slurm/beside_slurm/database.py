"""How the database of Slurm's accounting is set up, and whether it is.

Root's: ``python3 -I -m cfiddle_slurm.beside_slurm.database COMMAND``.

``options``
    print the settings as options for mariadbd, a line each.
``check FILE``
    wait until the database answers whom this option file lets in; the exit status is 1 where it is
    set up in another way.
"""

import sys
import time
from collections.abc import Sequence

from cfiddle_slurm import process
from cfiddle_slurm.printable import one_line
from cfiddle_slurm.process import ProcessError

# What Slurm asks for ("MySQL Configuration" in its accounting documentation; of the buffer pool the
# half, with which slurmdbd is content) and goes on without. Memory is taken for what is in the pool
# only. With snapshot isolation, MariaDB's default since 11.6.2, an update fails whose row another
# connection has changed (error 1020). Whoever connects and says nothing is gone after five seconds.
SETTINGS = {
    "connect_timeout": "5",
    "default_storage_engine": "InnoDB",
    "innodb_buffer_pool_size": "2147483648",
    "innodb_lock_wait_timeout": "900",
    "innodb_log_file_size": "67108864",
    "innodb_snapshot_isolation": "0",
    "max_allowed_packet": "16777216",
    "max_connections": "200",
    "wait_timeout": "28800",
}
ASK_SECONDS = 60.0
POLL_SECONDS = 1.0
_QUESTION = " ".join(f"SELECT '{name}', @@GLOBAL.{name};" for name in SETTINGS)


def options() -> list[str]:
    """The settings as mariadbd's options."""
    return [f"--{name}={value}" for name, value in SETTINGS.items()]


def wrong(answer: str) -> list[str]:
    """The settings that are others than Slurm's, as ``NAME VALUE``, from what mariadb prints."""
    found = (line.partition("\t") for line in answer.splitlines())
    return [f"{name} {value}" for name, _, value in found if SETTINGS.get(name) != value]


def ask(option_file: str) -> str:
    """The database's settings, a line each; empty while it does not answer."""
    try:
        # The option comes first, or it is none (mariadb(1)); a file, since it holds the password.
        done = process.run(
            ["mariadb", f"--defaults-extra-file={option_file}", "--batch", "--skip-column-names",
             f"--execute={_QUESTION}"],
            timeout=ASK_SECONDS,
        )  # fmt: skip
    except ProcessError as error:
        log(str(error))
        return ""
    if done.stderr.strip():
        log(one_line(done.stderr))
    return done.stdout


def check(option_file: str) -> bool:
    """Whether the database is set up as Slurm needs it, as soon as it answers."""
    while not (answer := ask(option_file)).strip():
        time.sleep(POLL_SECONDS)
    found = wrong(answer)
    if found:
        log(
            f"The database is not set up as Slurm needs it. Found: {', '.join(found)}. See SETTINGS"
            f" in {__file__}."
        )
    return not found


def log(text: str) -> None:
    """One line for the administrator."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 the database is set up otherwise, 2 wrong usage."""
    match list(sys.argv[1:] if arguments is None else arguments):
        case ["options"]:
            print("\n".join(options()))
        case ["check", file]:
            return 0 if check(file) else 1
        case _:
            print("usage: options | check FILE", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
