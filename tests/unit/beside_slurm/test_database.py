"""What Slurm's accounting needs of its database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cfiddle_slurm.beside_slurm import database

Make = Callable[[str, str], Path]
FINE = "".join(f"{name}\t{value}\n" for name, value in database.SETTINGS.items())


def test_the_options_are_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert database.main(["options"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(database.SETTINGS)
    assert "--innodb_snapshot_isolation=0" in printed
    assert database.main([]) == 2


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (FINE, []),
        (FINE.replace("isolation\t0", "isolation\t1"), ["innodb_snapshot_isolation 1"]),
        ("wait_timeout\t288000\nmax_connections\t20\n",
         ["wait_timeout 288000", "max_connections 20"]),
        ("strange\n", ["strange "]),
    ],
)  # fmt: skip
def test_only_what_is_set_otherwise_is_wrong(answer: str, found: list[str]) -> None:
    assert database.wrong(answer) == found


@pytest.mark.parametrize(("value", "status"), [("0", 0), ("1", 1)])
def test_accounting_waits_for_the_answer_and_believes_it(
    commands: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    value: str,
    status: int,
) -> None:
    monkeypatch.setattr(database, "POLL_SECONDS", 0.01)
    (tmp_path / "answer").write_text(FINE.replace("isolation\t0", f"isolation\t{value}"))
    asked = commands("mariadb", f"""
[ -e "{tmp_path}/ready" ] || {{ touch "{tmp_path}/ready"; echo "Can't connect" >&2; exit 1; }}
cat "{tmp_path}/answer"
""")  # fmt: skip
    assert database.main(["check", "/run/client.cnf"]) == status
    first, second = asked.read_text().splitlines()
    assert first == second and first.startswith("--defaults-extra-file=/run/client.cnf ")
    said = capsys.readouterr().err
    assert "Can't connect" in said
    words = "not set up as Slurm needs it. Found: innodb_snapshot_isolation 1."
    assert (words in said) is (status == 1)


def test_a_database_whose_program_is_missing_does_not_answer(
    commands: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert database.ask("file") == ""
    assert "cannot be started" in capsys.readouterr().err
