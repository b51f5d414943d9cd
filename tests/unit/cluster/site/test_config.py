"""``cluster.toml``: what it can say, and how what is wrong with it is told."""

from pathlib import Path

import pytest

from cfiddle_slurm import tables
from cfiddle_slurm.cluster.site import config
from cfiddle_slurm.cluster.site.config import Config, ConfigError
from cfiddle_slurm.cluster.site.packages import Packages
from cfiddle_slurm.sandbox.policy import GIB, Policy

GOOD = """
name = "lab-2"
head = "head.example.edu"
workers = ["w1", "10.0.0.2"]
ssh_user = "admin"
advertise = "10.0.0.1"
home = "nfs"
home_path = "/export/my home"
nfs_server = "nas"
registry = false
base = "debootstrap"
ca_bundle = "/etc/ca.pem"
mirror = "http://near.example/debian"
jupyter_port = 8000
user_memory = "16GiB"
home_quota = "10GiB"
queued_jobs = 7
cfiddle = "0.6.1"
[user_packages]
apt = ["g++", "libfoo1.2=1:3"]
pip = ["matplotlib>=3,<4", "x[y]"]
[sandbox_packages]
apt = ["libgomp1"]
[sandbox]
memory = "1GiB"
wall_seconds = 60
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cluster.toml"


def loaded(file: Path, text: str) -> Config:
    file.write_text(text)
    return config.load(file)


def test_all_that_a_file_can_say(file: Path) -> None:
    found = loaded(file, GOOD)
    assert found == Config(
        name="lab-2", head="head.example.edu", workers=("w1", "10.0.0.2"), ssh_user="admin",
        advertise="10.0.0.1", home="nfs", home_path="/export/my home", nfs_server="nas",
        user_memory=16 * GIB, home_quota=10 * GIB,
        registry=False, base="debootstrap", ca_bundle="/etc/ca.pem",
        mirror="http://near.example/debian", jupyter_port=8000, queued_jobs=7, cfiddle="0.6.1",
        user_packages=Packages(("g++", "libfoo1.2=1:3"), ("matplotlib>=3,<4", "x[y]")),
        sandbox_packages=Packages(("libgomp1",)),
        policy=Policy(memory=GIB, wall_seconds=60.0),
    )  # fmt: skip
    assert found.machines == ("head.example.edu", "w1", "10.0.0.2")
    assert set(tables.parse(GOOD, "it")) == set(tables.keys(Config))  # so nothing is left out here


def test_what_a_file_does_not_say_is_at_its_default(file: Path) -> None:
    assert loaded(file, "") == Config()
    assert Config().machines == ("local",)


WRONG = [
    ("name", ['"Lab"', '""', "3", '"a b"', '"1st"']),
    ("head", ['""', '"-oProxyCommand=x"', '"a b"', '"root@h"', "1", '"a;b"', '"$(id)"']),
    ("workers", ['"w1"', "[1]", '["w1", ""]', '["-l"]', '[["w1"]]', '["a\\nb"]']),
    ("ssh_user", ['"Root"', '""', '"a b"', "0", '"-l"']),
    ("advertise", ['"a b"', "false"]),
    ("home", ['"disk"', '""', "true", '"nfsx"']),
    ("home_path", ['"srv/home"', '""', '"/a:/b"', '"/a\\nb"', "1"]),
    ("nfs_server", ['"a b"', "[]"]),
    ("registry", ['"maybe"', "1", "0"]),
    ("base", ['"cdrom"', "1"]),
    ("ca_bundle", ['"ca.pem"', "1"]),
    ("mirror", ['"ftp://x"', '"http://a b"', "1"]),
    ("cfiddle", ["3", '"a\\nb"', "true", "[]"]),
    ("user_packages", ["[]", '"vim"']),
    ("sandbox_packages", ["1"]),
    ("jupyter_port", ["0", "65536", '"port"', "true", "80.0"]),
    ("queued_jobs", ["0", "-1", "true", "1.5"]),
    ("user_memory", ["0", "-1", "true", '"much"', '"1KiB"', "1.5"]),
    ("home_quota", ["0", '"10 G B"', '"-1GiB"', "[]"]),
    ("sandbox", ["3", '"2GiB"', "[]"]),
]


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG for value in values]
)
def test_a_wrong_value_is_one_sentence_with_file_and_key(file: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(file, f"{key} = {value}")
    words = str(caught.value)
    assert words.startswith(f"The setting {key} must be ")
    assert words.endswith(f" (in the file {file}).")
    assert "\n" not in words


def test_every_key_has_wrong_values_above() -> None:
    assert {key for key, _ in WRONG} == set(tables.keys(Config))


@pytest.mark.parametrize("key", ["user_packages", "sandbox_packages"])
@pytest.mark.parametrize("name", ["--index-url=x", "a b", "$(id)", "a;b", "", "../x", "x*", "[a]"])
def test_a_package_of_debian_is_a_name(file: Path, key: str, name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"apt must be a list of package names of Debian.*\(in \[{key}\] of the"
    ):
        loaded(file, f"[{key}]\napt = ['{name}']")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('cfiddle = "./no.whl"', r"The setting cfiddle names '.*/no.whl', and there is no such"),
        ('cfiddle = "main"', r"The setting cfiddle is neither a version like '0.6.1' nor a file"),
        (
            '[user_packages]\npip = ["./no.whl"]',
            r"The setting user_packages.pip names '.*/no.whl', and there is no such file or folder",
        ),
        (
            '[sandbox_packages]\nwheels = ["no.whl"]',
            r"The setting sandbox_packages.wheels names '.*/no.whl', and there is no such file or",
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_when_it_is_read(
    file: Path, text: str, words: str
) -> None:
    with pytest.raises(
        ConfigError, match=words + r".* \(in the file .*cluster.toml\)\.$"
    ) as caught:
        loaded(file, text)
    assert "\n" not in str(caught.value)


def test_paths_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = file.parent / "mine"
    project.mkdir()
    (project / "pyproject.toml").touch()
    monkeypatch.chdir("/")
    found = loaded(file, "cfiddle = 'mine'\n[sandbox_packages]\npip = ['./mine']")
    assert (found.cfiddle, found.sandbox_packages.pip) == (str(project), (str(project),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sandbox]\nmemory = 1", r"memory must be at least .*\(in \[sandbox\] of the file"),
        ("[sandbox]\nmemry = 1", r"no setting 'memry' \(in \[sandbox\] of the file .*mean memory"),
        (
            "[user_packages]\nmamba = []",
            r"no setting 'mamba' \(in \[user_packages\] .* are apt, pip, wheels",
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_the_tables_name(
    file: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(file, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('workers = ["a", "b", "a"]\nhome = "nfs"', "The worker 'a' is listed twice"),
        ('head = "a"\nworkers = ["b", "a"]\nhome = "nfs"', "head 'a' is also listed as a worker"),
        ('workers = ["local"]\nhome = "nfs"', "head 'local' is also listed as a worker"),
        ('workers = ["a"]', "'volume' is for one machine only"),
    ],
)
def test_parts_that_do_not_fit_together(file: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(file, text)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("heads", "Did you mean head?"),
        ("worker", "Did you mean workers?"),
        ("zzz", "The settings are "),
    ],
)
def test_an_unknown_key_is_told_with_what_may_be_meant(file: Path, key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(file, f"{key} = 1")
    assert str(caught.value).startswith(f"There is no setting '{key}' (in the file {file}). {hint}")


def test_files_that_are_none(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no .*cluster.toml: `.* init` writes one"):
        config.load(file)
    with pytest.raises(ConfigError, match=r"cluster.toml is not valid TOML: .*line 2"):
        loaded(file, "name = 'x'\nhead = \n")
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match=r"cluster.toml cannot be read"):
        config.load(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


@pytest.mark.parametrize("home", config.HOMES)
def test_the_example_is_a_file_as_it_should_be(file: Path, home: str) -> None:
    workers = () if home == "volume" else ("w1", "w2")
    values = {"head": "h", "workers": workers, "ssh_user": "admin", "home": home}
    text = config.example(values)
    assert loaded(file, text) == Config(head="h", workers=workers, ssh_user="admin", home=home)
    assert text.count("\n# ") > 20  # the comments are what it is for


def test_the_example_names_every_key() -> None:
    text = config.example({})
    for key in set(tables.keys(Config)):
        assert f"{key} = " in text or f"[{key}]" in text, key


def test_what_the_example_has_commented_out_is_right_as_well(file: Path) -> None:
    # A line of settings or the head of a table, and no prose.
    lines = [
        line.removeprefix("# ") if line[2:].split("=")[0].strip(" []").isidentifier() else line
        for line in config.example({"workers": ("w1",)}).splitlines()
    ]
    found = loaded(file, "\n".join(lines))
    assert found.nfs_server and found.advertise and found.ca_bundle and found.mirror
    assert found.user_packages.apt and found.sandbox_packages.apt
    assert found.policy == Policy()  # "What is commented out has its default value."


def test_changing_the_workers_leaves_the_rest_as_it_is(file: Path) -> None:
    text = '# mine\nworkers = ["a"]  # two more soon\nhome = "nfs"\n\n[sandbox]\nmemory = "1GiB"\n'
    file.write_text(text)
    config.set_workers(file, ("a", "b"))
    assert file.read_text() == text.replace('["a"]', '["a", "b"]')
    config.set_workers(file, ())
    assert file.read_text() == text.replace('["a"]', "[]")
    assert [path.name for path in file.parent.iterdir()] == ["cluster.toml"]


def test_workers_do_not_end_up_in_a_table(file: Path) -> None:
    file.write_text('home = "nfs"\n[sandbox]\nmemory = "1GiB"\n')
    config.set_workers(file, ("a",))
    assert config.load(file).workers == ("a",)


def test_a_file_that_cannot_be_changed_is_told(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"cluster.toml cannot be changed"):
        config.set_workers(file, ("a",))
    file.write_text("name = \n")
    with pytest.raises(ConfigError, match=r"cluster.toml cannot be changed"):
        config.set_workers(file, ("a",))
    assert file.read_text() == "name = \n"
