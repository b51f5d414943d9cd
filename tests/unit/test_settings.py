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


LIMITS = """
max_time_limit = 600.0
max_memory = 2147483648
max_inputs = 1073741824
allowed_images = ["cfiddle-sandbox:latest", "lab:2"]
of_a_newer_kit = true
"""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"time_limit": "2:00:00"}, "asks for 7200 seconds, but this site allows at most 600"),
        ({"time_limit": 600.5}, "asks for 600.5 seconds"),
        ({"memory": "4G"}, "memory asks for 4 GiB, but this site allows at most 2 GiB"),
        ({"memory": "1MiB"}, "memory asks for 1 MiB, but a sandbox needs at least 16 MiB"),
        ({"image": "lab:3"}, "does not allow the image 'lab:3'. Allowed are cfiddle-sandbox"),
    ],
)
def test_what_the_sites_policy_does_not_allow_is_refused_at_once(
    files: dict[str, Path], asked: dict[str, Any], words: str
) -> None:
    files["site_file"].with_name("limits.toml").write_text(LIMITS)
    with pytest.raises(SettingsError) as caught:
        resolve({"scheduler": "slurm", **asked}, {}, **files)
    assert words in str(caught.value)
    # Here, on this machine, the policy of workers has no say.
    resolve({"scheduler": "local", **asked}, {}, **files)


def test_what_it_allows_is_not(files: dict[str, Path]) -> None:
    files["site_file"].with_name("limits.toml").write_text(LIMITS)
    asked = {"scheduler": "slurm", "time_limit": "10:00", "memory": "2GiB", "image": "lab:2"}
    found = resolve(asked, {}, **files)
    assert (found.max_time_limit, found.max_memory, found.max_inputs) == (600.0, 2 << 30, 1 << 30)
    files["site_file"].write_text("max_time_limit = 60")
    with pytest.raises(SettingsError, match="allows at most 60 seconds"):
        resolve(asked, {}, **files)


def test_where_nobody_says_what_is_allowed_the_worker_decides(files: dict[str, Path]) -> None:
    asked = {"scheduler": "slurm", "time_limit": "2:00:00", "memory": "1TiB", "image": "any"}
    assert resolve(asked, {}, **files).time_limit == 7200


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
        {"retries": 10**30},
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
