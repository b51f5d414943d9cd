"""The pages as the tests see them: links, headings, code blocks and tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FENCE = re.compile(r"(?:```|~~~)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_SKIPPED = frozenset(("build", "dist", "node_modules"))


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line's words, its text, and where it begins."""

    info: str
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    def blocks(self) -> list[Block]:
        """The fenced blocks.

        Raises:
            ValueError: one does not end.
        """
        found: list[Block] = []
        opened: tuple[str, int] | None = None
        lines: list[str] = []
        for number, line in enumerate(self._lines(), 1):
            if not _FENCE.match(line):
                lines.append(line)
            elif opened is None:
                opened, lines = (line.lstrip("`~").strip(), number), []
            else:
                found.append(Block(opened[0], "\n".join(lines) + "\n", opened[1]))
                opened = None
        if opened is not None:
            raise ValueError(f"{self.name}: the block of line {opened[1]} does not end")
        return found

    def prose(self) -> list[str]:
        """Its lines outside of fenced blocks."""
        inside, found = False, []
        for line in self._lines():
            if _FENCE.match(line):
                inside = not inside
            elif not inside:
                found.append(line)
        return found

    def links(self) -> list[str]:
        """Where its links lead, as they stand there."""
        return [target for line in self.prose() for target in _LINK.findall(_CODE.sub("", line))]

    def anchors(self) -> set[str]:
        """The names of its headings, as GitHub makes them."""
        found: list[str] = []
        for line in self.prose():
            if match := re.match(r"#{1,6} +(.+)", line):
                plain = re.sub(r"[^\w\- ]", "", _LINK.sub(r"\1", match[1]).lower())
                name = plain.strip().replace(" ", "-")
                earlier = found.count(name)
                found += [name, f"{name}-{earlier}"] if earlier else [name]
        return set(found)

    def code_words(self) -> list[str]:
        """What its prose has between backquotes."""
        return [word for line in self.prose() for word in _CODE.findall(line)]

    def table(self, *head: str) -> list[list[str]]:
        """The rows of the table with these columns.

        Raises:
            LookupError: there is no such table, or more than one.
        """
        found = [rows for rows in self._tables() if rows[0] == list(head)]
        if len(found) != 1:
            raise LookupError(f"{self.name} has {len(found)} tables with the columns {head}")
        return found[0][1:]

    def _tables(self) -> Iterator[list[list[str]]]:
        rows: list[list[str]] = []
        for line in [*self.prose(), ""]:
            if line.startswith("|"):
                cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                if not all(set(cell) <= set("-:") and cell for cell in cells):
                    rows.append(cells)
            elif rows:
                yield rows
                rows = []

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


def page(name: str) -> Page:
    """The page at a path below the repository's root."""
    return Page(ROOT / name)


def all_pages() -> list[Page]:
    """Every Markdown file of the repository, but none that a tool has brought."""
    return [
        Page(path)
        for path in sorted(ROOT.rglob("*.md"))
        if not any(
            part.startswith(".") or part in _SKIPPED or part.endswith(".egg-info")
            for part in path.relative_to(ROOT).parts
        )
    ]


def names_in(cell: str) -> list[str]:
    """What a cell has between backquotes, without arguments: `` `configure(**settings)` ``."""
    return [word.partition("(")[0] for word in _CODE.findall(cell)]
