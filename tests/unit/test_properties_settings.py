"""Settings of any value from any source are settings, or a sentence says why not."""

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfiddle_slurm import tables, values
from cfiddle_slurm.errors import SettingsError
from cfiddle_slurm.settings import NAMES, PREFIX, Settings, resolve
from tests.unit.anything import ANYTHING

NAME = st.sampled_from(NAMES)
TEXTS = st.text(max_size=10) | st.sampled_from(
    ["9" * 400 + "-1", "9" * 5000, "1-1:1:1", "~nobody-of-this-name/x", "~", "/a", "2GiB", "1e400B",
     "--nice", "--x=\u2028", "yes", "0.5", "inf", "nan", "٣"]
)  # fmt: skip
NOWHERE = Path("/none")
GOOD_TYPES: dict[str, tuple[type, ...]] = {
    "time_limit": (float,), "queue_timeout": (float,), "memory": (int,), "exclusive": (bool,),
    "retries": (int,), "keep_failed": (int,), "input_files": (tuple,), "output_files": (tuple,),
    "sbatch_options": (tuple,), "show_output": (bool,), "jobs_directory": (type(NOWHERE),),
    "shared_root": (type(NOWHERE),), "poll_fast": (float,), "poll_slow": (float,),
    "query_interval": (float,), "result_grace": (float,),
    "max_time_limit": (float,), "max_memory": (int,), "max_inputs": (int,),
    "allowed_images": (tuple,), "sandbox_libraries": (tuple,),
}  # fmt: skip
OPTIONAL = {field.name for field in fields(Settings) if field.default is None}


def check(found: Settings) -> None:
    """All settings are of the types that the program relies on."""
    for name in NAMES:
        value = getattr(found, name)
        if value is None:
            assert name in OPTIONAL
            continue
        assert type(value) in GOOD_TYPES.get(name, (str,)), name
        if isinstance(value, tuple):
            assert all(type(one) is str for one in value)
    hash(found)


def settings_or_a_sentence(call: Any) -> None:
    try:
        found = call()
    except SettingsError as error:
        assert str(error) and len(str(error)) < 2000
    else:
        check(found)


@given(st.dictionaries(NAME, ANYTHING | TEXTS, max_size=3))
@example({"time_limit": 10**400})
@example({"poll_fast": 10**400})
@example({"time_limit": "9" * 400 + "-1"})
@example({"jobs_directory": "~nobody-of-this-name/x"})
def test_any_keywords(keywords: dict[str, Any]) -> None:
    settings_or_a_sentence(lambda: resolve(keywords, {}, NOWHERE, NOWHERE))
    settings_or_a_sentence(lambda: Settings(**keywords))


@given(st.dictionaries(NAME | st.text(max_size=5), TEXTS, max_size=3))
def test_any_variables(variables: dict[str, str]) -> None:
    environ = {PREFIX + name.upper(): value for name, value in variables.items()}
    settings_or_a_sentence(lambda: resolve({}, environ, NOWHERE, NOWHERE))


VALUES = st.sampled_from(
    ["0", "-1", "1e999", "nan", "true", "0x" + "f" * 5000, "9" * 5000, "[]", "['a', 1]", "{a = 1}",
     "1979-05-27", "07:32:00", "'a'", '"\\u0000"', "[" * 3000, "'''", "= 3", "''", "'10:30'"]
) | TEXTS  # fmt: skip
LINES = st.lists(st.builds("{} = {}".format, NAME, VALUES), max_size=3).map("\n".join)


@given(st.binary(max_size=40) | LINES.map(lambda text: text.encode(errors="replace")))
@example(b"retries = " + b"9" * 5000)
@example(b"retries = 0x" + b"f" * 5000)
@example(b"input_files = " + b"[" * 3000)
def test_any_file(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.toml")
        file.write_bytes(raw)
        settings_or_a_sentence(lambda: resolve({}, {}, file, NOWHERE))


@pytest.mark.parametrize("name", sorted(tables.parsers(Settings)))
@given(value=ANYTHING | TEXTS)
def test_any_value_of_each_setting_is_taken_once_and_for_all_or_refused(
    name: str, value: object
) -> None:
    parse = tables.parsers(Settings)[name]
    try:
        found = parse(value)
    except ValueError as error:
        assert str(error).startswith(("must ", "holds "))
        return
    assert parse(found) == found  # what was parsed may be parsed again


def test_a_number_that_python_does_not_write_in_decimal_is_refused_like_any_other() -> None:
    for name in NAMES:
        for number in (10**5000, -(10**5000), [10**5000]):
            with pytest.raises(SettingsError, match=rf"\b{name}\b"):
                Settings(**{name: number})  # type: ignore[arg-type]


@given(ANYTHING)
def test_any_value_can_be_shown_in_a_sentence(value: object) -> None:
    assert 0 < len(values.shown(value)) <= 100
