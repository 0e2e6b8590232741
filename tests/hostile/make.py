"""Writes the hostile files into a folder, one folder a case: python3 make.py FOLDER"""
import os
import sys
from pathlib import Path

from cases import CASES, SECRET, Fifo, Folder, Link


def write(case, home):
    """The case's folder in `home`, beside secret.bin."""
    folder = home / case.name
    folder.mkdir(parents=True)
    (home / SECRET).write_bytes(bytes(24))
    for name, content in case.files.items():
        path = folder / name
        if isinstance(content, Link):
            path.symlink_to(content.target)
        elif isinstance(content, Fifo):
            os.mkfifo(path)
        elif isinstance(content, Folder):
            path.mkdir()
            (path / "b").mkdir()
        else:
            path.write_bytes(content)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for each in CASES:
        write(each, Path(sys.argv[1]))
    print(f"{len(CASES)} cases")
