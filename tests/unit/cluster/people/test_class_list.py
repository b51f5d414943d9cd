"""Class lists as platforms, spreadsheets and people write them. All people are invented."""

import codecs
import re
from pathlib import Path

import pytest

from cfiddle_slurm.cluster.people import class_list, sheets
from cfiddle_slurm.cluster.people.account_book import AccountError
from cfiddle_slurm.cluster.people.class_list import ClassList

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (40713),Final Score\n"
    "    Points Possible,,,,,10.00,(read only)\n"
    ",,,,,Manual Posting,\n"
    '"Doe, Jane",118201,A1234,Jane.Doe,CSE142 (A00),9.50,95.0\n'
    '"O\'Brien, Max ""Mo""",118202,A1235,o\'brien,CSE142 (A00),,\n'
    '"Lee, Bo",118204,A1236,bo,Test Student,,\n'
    f'"Student, Test",118203,,{"0f" * 20},CSE142 (A00),,\n'
)
MOODLE = (
    '"First name",Surname,Username,"ID number","Email address"\n'
    "J\u00f6rg,M\u00fcller,jmueller,00123,joerg.mueller@example.edu\n"
    "Ann,Lee,12345678,00124,ann.lee@example.edu\n"
)
BLACKBOARD = (
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Lab 1 [Total Pts: 10 Score] |4711"\r\n'
    '"M\u00fcller"\t"J\u00f6rg"\t"jmueller"\t"00123"\t"9"\r\n'
    '"Lee"\t"Ann"\t"12345678"\t"00124"\t""\r\n'
)
BRIGHTSPACE = (
    "OrgDefinedId,Username,Last Name,First Name,Email,Lab 1 Points Grade,End-of-Line Indicator\r\n"
    "#00123,#jmueller,Muller,Jorg,jorg@example.edu,9,#\r\n"
    "#00124,#12345678,Lee,Ann,ann@example.edu,,#\r\n"
)
EXCEL = (
    "Nachname;Vorname;Matrikel;Benutzername;;\r\n"
    "M\u00fcller;J\u00f6rg \u2013 Tutor;00123;jmueller;;\r\n"
    'Lee;"Ann; Mary";00124;"=""12345678""";;\r\n'
    ";;;;;\r\n"
    ";;;;;\r\n"
)
TWO = {"jmueller": None, "u12345678": None}


@pytest.mark.parametrize(
    ("raw", "column"),
    [
        (MOODLE.encode(), "Username"),
        (codecs.BOM_UTF8 + MOODLE.encode(), "Username"),
        (MOODLE.replace(",", ";").encode("latin-1"), "Username"),
        (BLACKBOARD.encode("utf-16"), "Username"),
        (codecs.BOM_UTF16_BE + BLACKBOARD.encode("utf-16-be"), "Username"),
        (BLACKBOARD.encode("utf-16-le"), "Username"),
        (BLACKBOARD.encode("utf-16-be"), "Username"),
        (BRIGHTSPACE.encode(), "Username"),
        (EXCEL.encode("cp1252"), "Benutzername"),
        (codecs.BOM_UTF8 + EXCEL.encode(), "Benutzername"),
        (b"sep=;\r\n" + EXCEL.encode("cp1252"), "Benutzername"),
        (EXCEL.replace("\r\n", "\r").encode(), "Benutzername"),
        (b"CSE 142, Fall;;;\n\nweek 1;;;\n" + EXCEL.encode(), "Benutzername"),
        (b'Username,"Lab; all"\njmueller,"9; late"\n12345678,"8; 7"\n', "Username"),
        (b"Username;Lab 1, max. 10\njmueller;9,5\n12345678;8,0\n", "Username"),
        (b"net id\njmueller\n12345678", "net id"),
        (b"Name\tLogin\nJorg Muller\tJMueller\n\t\nAnn Lee\t12345678\n", "Login"),
        (b"E-Mail,Name\nJMueller@example.edu,jmueller\n-,12345678", "Name"),
        (b"E-Mail;Vorname\nJMueller@example.edu;J\n12345678@a.edu;A\n", "E-Mail"),
    ],
)
def test_the_column_with_the_logins_is_found(raw: bytes, column: str) -> None:
    found = class_list.parse(raw)
    assert (found.wanted, found.bad) == (TWO, ())
    assert found.column == f"the column {column!r}"


def test_canvas_has_rows_that_are_nobodys() -> None:
    found = class_list.parse(CANVAS.encode())
    assert found.logins == {"jane.doe": "Jane.Doe", "obrien": "o'brien", "bo": "bo"}
    assert (found.bad, found.left_out) == ((), 3)
    assert found.summary == (
        "3 names from the column 'SIS Login ID'. 3 lines of Canvas's own left out."
        " Jane.Doe's account is jane.doe, and 2 accounts differ from their logins."
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ann\nbob\n", {"ann": None, "bob": None}),
        ("ann", {"ann": None}),
        ("ann,1200\nbob, \n", {"ann": 1200, "bob": None}),
        ("ann;1200\nbob\n", {"ann": 1200, "bob": None}),
        ("ann\t1200\nbob\t\n", {"ann": 1200, "bob": None}),
        ("name,uid\nann,1200\n", {"ann": 1200}),
        ("UID; Name ;mail\n1200;ann;a@x\n;bob;b@x\n", {"ann": 1200, "bob": None}),
        ('"ann","1200"\n\n,\nbob\n', {"ann": 1200, "bob": None}),
        ("# tutors\nann\n# bob\n  \u00a0cyd \n", {"ann": None, "cyd": None}),
        ("Ann@a.edu\nbob@a.edu\n", {"ann": None, "bob": None}),
        ("ann\nlogin\nbob\n", {"ann": None, "login": None, "bob": None}),
        ("sep=;\nann;1200\n", {"ann": 1200}),
        ("\u200bann\nANN,\nann,1200\n", {"ann": 1200}),  # one person, three times
    ],
)
def test_a_name_a_line_and_perhaps_a_uid(text: str, wanted: dict[str, int | None]) -> None:
    found = class_list.parse(text.encode())
    assert (found.wanted, found.bad) == (wanted, ())


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("SID", ["u12"]), ("sid", ["u12"]), ("User-Name", ["ann"]), ("1", ["u12"]), (" 3 ", ["x"]),
        ("e mail", ["x"]), ("uid", ["u1200"]), (None, ["ann"]),
    ],
)  # fmt: skip
def test_another_column_can_be_asked_for(column: str | None, wanted: list[str]) -> None:
    text = "SID,Username,E-mail,uid\n12,ann,x@a.edu,1200\n"
    found = class_list.parse(text.encode(), column).wanted
    assert found == dict.fromkeys(wanted, None if column == "uid" else 1200)
    without = text.partition("\n")[2].encode()
    if column and column.strip().isdigit():
        assert list(class_list.parse(without, column).wanted) == wanted


def test_what_may_be_a_heading_is_shown() -> None:
    found = class_list.parse(b"People\nann\n")
    assert found.summary == (
        "2 names from a list without headings; the first is 'People'. People's account is people."
    )
    assert "; the first" not in class_list.parse(b"Login\nann\n").summary
    found = class_list.parse(b"Lee;Matrikel\nDoe;12\n", "2")
    assert found.summary.startswith("2 names from column 2; the first is 'Matrikel'.")


@pytest.mark.parametrize("column", ["SID", "9", "0", "\u0663", "", " "])
def test_a_column_that_is_not_there_is_told(column: str) -> None:
    text = b"Vorname;Nachname;Matrikel\nAnn;Lee;12\n"
    if column == "9":
        assert class_list.parse(text, column).bad[0] == (1, "there is no login.")
        return
    with pytest.raises(AccountError, match="line 1 has 'Vorname', 'Nachname', 'Matrikel'"):
        class_list.parse(text, column)


def bad(text: str) -> dict[int, str]:
    found = class_list.parse(text.encode())
    assert [number for number, _ in found.bad] == sorted({number for number, _ in found.bad})
    return dict(found.bad)


def test_each_bad_line_is_told_with_what_is_wrong() -> None:
    text = (
        "login,uid,note\n"
        "ann,1200,fine\n"
        "Jane Doe,,\n"
        ",,no login\n"
        'bob,,"a note\nof two lines"\n'
        "cyd,twelve,\n"
        "dan,7000,\n"
        "root,,\n"
        "eve,1300,\n"
        "fay,1300,\n"
        "gus,1301,\n"
        "GUS,1302,\n"
    )
    found = class_list.parse(text.encode())
    assert list(found.wanted) == ["ann", "bob"]
    assert dict(found.bad) == {
        3: "'Jane Doe' has a blank in it, which no account's name can have.",
        4: "there is no login.",
        7: "'twelve' is not a uid.",
        8: "The uid 7000 of dan is taken or outside 1000..59999.",
        9: "'root' is a name of the system and cannot be an account's.",
        10: "eve (line 10) and fay (line 11) have the same uid 1300.",
        11: "eve (line 10) and fay (line 11) have the same uid 1300.",
        12: "'gus' has two uids: 1301 (line 12) and 1302 (line 13).",
        13: "'gus' has two uids: 1301 (line 12) and 1302 (line 13).",
    }
    assert found.complaint.splitlines()[1] == "  line 4: there is no login."


@pytest.mark.parametrize(
    "pair",
    [("o'brien", "obrien"), ("12", "u12"), ("jane@a.edu", "jane@b.edu"), ("jos\u00e9", "jose"),
     ("Jos\u00e9@a.edu", "jose")],
)  # fmt: skip
def test_two_people_never_get_one_account_and_neither_is_preferred(pair: tuple[str, str]) -> None:
    one, other = pair
    told = bad(f"ann\n{one}\nbob\n{other}\n")
    assert list(told) == [2, 4] and told[2] == told[4]
    assert f"{one!r} (line 2) and {other!r} (line 4) would both be the account" in told[2]
    assert list(bad(f"{other}\n{one}\n")) == [1, 2]


def test_a_dot_and_a_hyphen_tell_people_apart() -> None:
    found = class_list.parse(b"J.Smith\nj-smith\nj_smith\njsmith\n")
    assert list(found.wanted) == ["j.smith", "j-smith", "j_smith", "jsmith"]


def test_the_login_that_says_most_is_remembered() -> None:
    found = class_list.parse(b"Jane\njane@A.edu\nJANE\n")
    assert found.logins == {"jane": "jane@A.edu"}
    assert found.entries[0].lines == (1, 2, 3)


def test_a_quote_that_is_not_closed_makes_a_bad_line() -> None:
    assert list(bad('ann\n"bob\ncyd\n')) == [2]


def test_who_is_refused_on_the_head_is_told_by_line() -> None:
    found = class_list.parse(b"ann\nbob\nx y\nANN\n").without({"ann": "No ann."})
    assert list(found.wanted) == ["bob"]
    assert [number for number, _ in found.bad] == [1, 3, 4]
    assert found.bad[2] == (4, "No ann.")


def test_what_is_told_has_an_end() -> None:
    complaint = ClassList("", (), tuple((n, "no") for n in range(1, 250))).complaint
    assert complaint.splitlines()[-2:] == ["  line 100: no", "  and 149 more"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "it lists no accounts"),
        (b"\n\n;;\n", "it lists no accounts"),
        (b"name,uid\n", "it lists no accounts"),
        (b"PK\x03\x04\x14\x00", "it is a workbook or an archive file, not a text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is a workbook of an older Excel file"),
        (b"ann\x00bob\x01", "it is not a text"),
        (b"\xff\xfea", "it is not a text"),
        (b"ann\x9dbob", "it is not a text"),
        (b"a;b;c\n1;2;3\n", "which column has the logins? line 1 has 'a', 'b', 'c'"),
        (b"Lee;Ann\n", "which column has the logins? line 1 has 'Lee', 'Ann'"),
        (b"a" * (sheets.LARGEST + 1), "it is larger than 8 MiB"),
        (b'"' + b"a" * 200_000, "it is not a table: field larger"),
    ],
)
def test_what_is_no_class_list_is_told(tmp_path: Path, raw: bytes, words: str) -> None:
    file = tmp_path / "class.csv"
    file.write_bytes(raw)
    with pytest.raises(AccountError, match=re.escape(words)) as caught:
        class_list.read(file)
    assert str(caught.value).startswith(f"{file} cannot be used: ")


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(AccountError, match="cannot be read"):
        class_list.read(tmp_path)


def test_a_large_class_is_read_at_once() -> None:
    rows = "".join(f'"Doe, {n}",s{n}@example.edu{",7" * 30}\n' for n in range(20_000))
    found = class_list.parse(("Student,Email\n" + rows).encode())
    assert len(found.entries) == 20_000 and not found.bad
