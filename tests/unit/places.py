"""A folder into which a stranger's archive is unpacked, and what must stay as it is around it."""

import os
from pathlib import Path


class Place:
    """The folder ``inside``, ``outside`` beside it with a precious file, and a link to there."""

    def __init__(self, folder: str) -> None:
        self.inside, self.outside = Path(folder, "in"), Path(folder, "out")
        self.archive = Path(folder, "archive")
        for one in (self.inside, self.outside):
            one.mkdir()
        (self.outside / "file").write_bytes(b"precious")
        (self.inside / "a").symlink_to(self.outside)
        self._root = sorted(os.listdir("/"))

    def check(self) -> None:
        """Nothing outside has changed, and inside there is nothing but plain files."""
        assert os.listdir(self.outside) == ["file"]
        assert (self.outside / "file").read_bytes() == b"precious"
        assert set(os.listdir(self.outside.parent)) <= {"in", "out", "archive"}
        assert sorted(os.listdir("/")) == self._root
        for folder, folders, files in os.walk(self.inside):
            for name in (*folders, *files):
                path = Path(folder, name)
                known = path == self.inside / "a" and path.is_symlink()
                assert known or not path.is_symlink()
                assert known or path.is_dir() or path.is_file()
                assert not path.lstat().st_mode & 0o7000
                assert not name.endswith(".part")
