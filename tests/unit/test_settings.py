"""Where settings come from, and how wrong ones are refused."""

from pathlib import Path
from typing import Any

import pytest

from cfiddle_slurm.errors import SettingsError
from cfiddle_slurm.settings import NAMES, Settings, resolve


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {"user_file": tmp_path / "user.toml", "site_file": tmp_path / "site.toml"}


def test_without_anything_the_defaults_hold(files: dict[str, Path]) -> None:
    assert resolve({}, {}, **files) == Settings()
    assert Settings().scheduler == "local"
    assert Settings().exclusive


def test_the_order_of_the_sources(files: dict[str, Path]) -> None:
    files["site_file"].write_text('partition="site"\naccount="site"\nqos="site"\nimage="site"')
    files["user_file"].write_text('partition="user"\naccount="user"\nqos="user"')
    environ = {"CFIDDLE_SLURM_PARTITION": "env", "CFIDDLE_SLURM_ACCOUNT": "env", "OTHER": "x"}
    found = resolve({"partition": "call"}, environ, **files)
    assert (found.partition, found.account, found.qos, found.image) == (
        "call", "env", "user", "site",
    )  # fmt: skip


def test_the_call_can_take_a_setting_back(files: dict[str, Path]) -> None:
    files["site_file"].write_text('partition="site"')
    assert resolve({"partition": None}, {}, **files).partition is None


def test_a_plain_number_is_seconds_wherever_it_stands(files: dict[str, Path]) -> None:
    files["user_file"].write_text("time_limit = 90")
    assert resolve({}, {}, **files).time_limit == 90.0
    assert resolve({}, {"CFIDDLE_SLURM_TIME_LIMIT": "45"}, **files).time_limit == 45.0
    assert resolve({"time_limit": 30}, {}, **files).time_limit == 30.0


def test_a_misspelt_name_lists_the_valid_ones(files: dict[str, Path]) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({"partitoin": "x"}, {}, **files)
    assert "There is no setting 'partitoin' (in the call)." in str(caught.value)
    assert "Did you mean partition?" in str(caught.value)
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_limit = -5", "time_limit must be more than 0 seconds"),
        ("time_limit = [", "not valid TOML"),
        ("nonsense = 1", "There is no setting 'nonsense'"),
        ("scheduler = 'cron'", "must be one of 'slurm', 'local', not 'cron'"),
        ("[slurm]\npartition = 'x'", "There is no setting 'slurm'"),
    ],
)
def test_a_broken_file_is_named(files: dict[str, Path], text: str, words: str) -> None:
    for file in files.values():
        file.write_text(text)
        with pytest.raises(SettingsError) as caught:
            resolve({}, {}, **files)
        assert words in str(caught.value)
        assert str(file) in str(caught.value)
        file.unlink()


def test_files_that_cannot_be_read(files: dict[str, Path], tmp_path: Path) -> None:
    files["user_file"].write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        resolve({}, {}, **files)
    with pytest.raises(SettingsError, match="cannot be read"):
        resolve({}, {}, user_file=tmp_path, site_file=tmp_path / "none")


def test_variables_are_named_as_settings(files: dict[str, Path]) -> None:
    environ = {"CFIDDLE_SLURM_EXCLUSIVE": "no", "CFIDDLE_SLURM_SBATCH_OPTIONS": "--nice --mem=1G"}
    found = resolve({}, environ, **files)
    assert not found.exclusive
    assert found.sbatch_options == ("--nice", "--mem=1G")
    with pytest.raises(SettingsError, match="in the environment"):
        resolve({}, {"CFIDDLE_SLURM_TIMELIMIT": "5"}, **files)


def test_the_workers_socket_is_no_setting(files: dict[str, Path]) -> None:
    assert resolve({}, {"CFIDDLE_SLURM_SOCKET": "/run/x"}, **files) == Settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"poll_fast": 2, "poll_slow": 1},
        {"memory": "much"},
        {"keep_failed": -1},
        {"jobs_directory": "jobs"},
        {"input_files": 5},
        {"sbatch_options": ["--wrap=id"]},
        {"submit": "salloc"},
    ],
)
def test_wrong_values_are_refused_when_constructed(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Settings(**wrong)


def test_settings_are_plain_values(files: dict[str, Path]) -> None:
    found = Settings(memory="2G", input_files="a.txt", jobs_directory="~/x")  # type: ignore[arg-type]
    assert found.memory == 2 << 30
    assert found.input_files == ("a.txt",)
    assert found.jobs_directory == Path.home() / "x"
    assert hash(found) == hash(Settings(**{name: getattr(found, name) for name in NAMES}))
