"""Every link of every page leads somewhere, and every file that a page names is there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.unit.docs.pages import ROOT, Page, all_pages

PAGES = all_pages()
_FILE = re.compile(
    r"(?:cfiddle_slurm|cluster|sandbox|examples|docs|tests|\.ci)/[\w./-]*|[A-Z]+\.md|setup\.cfg"
)


def lost(page: Page, link: str) -> str | None:
    """What is wrong with a link, or None."""
    if re.match(r"[a-z]+:", link):
        return None
    target, _, anchor = unquote(link).partition("#")
    path = (page.path.parent / target).resolve() if target else page.path
    if not path.is_relative_to(ROOT) or not path.exists():
        return f"{link}: no such file"
    if anchor and anchor not in Page(path).anchors():
        return f"{link}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    assert [why for link in page.links() if (why := lost(page, link))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Page) -> None:
    named = {word for word in page.code_words() if _FILE.fullmatch(word)}
    # Of the library's own parts a page may speak without the library's name.
    places = (ROOT, ROOT / "cfiddle_slurm")
    lost_ones = (word for word in named if not any((place / word).exists() for place in places))
    assert sorted(lost_ones) == []


def test_a_page_has_code_links_and_headings(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# One `two` (three)\n[a](b.md#c) `[no](link)`\n```python\n[no](x)\n```\n")
    page = Page(file)
    assert (page.links(), page.anchors()) == (["b.md#c"], {"one-two-three"})
    assert [(block.info, block.line) for block in page.blocks()] == [("python", 3)]


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("README.md", None),
        ("docs/errors.md#errors", None),
        ("https://example.edu/x", None),
        ("nothing.md", "nothing.md: no such file"),
        ("../outside", "../outside: no such file"),
        ("README.md#no-such", "README.md#no-such: no such heading"),
    ],
)
def test_a_lost_link_is_found(link: str, found: str | None) -> None:
    assert lost(Page(ROOT / "README.md"), link) == found


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = set(Page(ROOT / "docs/README.md").links())
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(pages - index) == []
