"""tools/tidy.py looks again at what has changed, and only takes as clean what was found clean."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "tidy.py"
COMPILER = sys.argv.pop(1).split()
# Finds what a file says of itself, and counts how often it was asked.
TOOL = """#!/bin/sh
[ "$1" = --version ] && echo 1 && exit
echo x >> "$(dirname "$0")/asked"
for file; do :; done
! grep -H WRONG "$file"
"""


class Tidy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tool, self.source = self.folder / "tool", self.folder / "a.cpp"
        self.tool.write_text(TOOL)
        self.tool.chmod(0o755)
        self.database("-DA=1")

    def database(self, *options):
        ways = [{"directory": str(self.folder), "file": "a.cpp", "command": " ".join([*COMPILER, option, "-o a.o -c a.cpp"])}
                for option in options]
        (self.folder / "compile_commands.json").write_text(json.dumps(ways))

    def look(self, *files):
        """Exit code, how often the tool was asked, what was printed."""
        asked = self.folder / "asked"
        asked.write_text("")
        command = [sys.executable, "-B", SCRIPT, "--clang-tidy", self.tool, "--build", self.folder]
        done = subprocess.run([*command, *(files or [self.source])], capture_output=True, text=True,
                              env=os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache")})
        self.assertEqual(done.stderr, "")
        return done.returncode, len(asked.read_text().split()), done.stdout

    def test_clean_is_known_until_something_changes(self):
        self.source.write_text("int a;\n")
        self.assertEqual(self.look()[:2], (0, 1))
        self.assertEqual(self.look()[:2], (0, 0))
        self.source.write_text("int a;  // NOLINT\n")
        self.assertEqual(self.look()[:2], (0, 1))
        self.database("-DA=2")
        self.assertEqual(self.look()[:2], (0, 1))
        self.database("-DA=2", "-DA=3")
        self.assertEqual(self.look()[:2], (0, 1))
        self.tool.write_text(TOOL.replace("echo 1", "echo 2"))
        self.assertEqual(self.look()[:2], (0, 1))
        self.assertEqual(self.look()[:2], (0, 0))

    def test_a_finding_is_found_again(self):
        self.source.write_text("int a;  // WRONG\n")
        for _ in range(2):
            code, asked, said = self.look()
            self.assertEqual((code, asked), (1, 1))
            self.assertIn("WRONG", said)

    def test_a_file_that_is_not_built(self):
        code, asked, said = self.look(self.folder / "other.cpp")
        self.assertEqual((code, asked), (1, 0))
        self.assertIn("other.cpp is not in", said)


if __name__ == "__main__":
    unittest.main()
