"""tools/count_tests.py counts what ran and misses no failure."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "count_tests.py"
DOCTEST = "[doctest] test cases: {0} | {1} passed | {2} failed | 0 skipped\n[doctest] assertions: 99 | 98 passed | 1 failed |\n"


class Counts(unittest.TestCase):
    def count(self, *records):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "testlog.json"
            log.write_text("".join(json.dumps({"name": "t", "command": ["t"], **record}) + "\n" for record in records))
            done = subprocess.run([sys.executable, "-B", SCRIPT, log], capture_output=True, text=True, check=True)
        return tuple(map(int, done.stdout.split()))

    def test_doctest(self):
        self.assertEqual(self.count({"result": "OK", "stdout": DOCTEST.format(12, 12, 0)}), (12, 0))
        self.assertEqual(self.count({"result": "FAIL", "stdout": DOCTEST.format(12, 10, 2)}), (10, 2))

    def test_unittest(self):
        self.assertEqual(self.count({"result": "OK", "stderr": "...s\nRan 4 tests in 0.1s\n\nOK (skipped=1)\n"}), (3, 0))
        self.assertEqual(self.count({"result": "FAIL", "stderr": "Ran 6 tests in 0.1s\n\nFAILED (failures=1, errors=2)\n"}), (3, 3))

    def test_other_programs_count_once(self):
        self.assertEqual(self.count({"result": "OK"}, {"result": "FAIL"}, {"result": "TIMEOUT"}, {"result": "SKIP"}), (1, 2))

    def test_a_program_that_dies_failed(self):
        self.assertEqual(self.count({"result": "FAIL", "stdout": DOCTEST.format(5, 5, 0)}), (5, 1))
        self.assertEqual(self.count({"result": "TIMEOUT", "stdout": "Ran 3 tests in 1s\n\nOK\n"}), (3, 1))

    def test_several_logs_add_up(self):
        with tempfile.TemporaryDirectory() as folder:
            logs = [Path(folder) / name for name in ("a", "b")]
            for log in logs:
                log.write_text(json.dumps({"name": "t", "command": [], "result": "OK", "stdout": DOCTEST.format(2, 2, 0)}) + "\n")
            done = subprocess.run([sys.executable, "-B", SCRIPT, *logs], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "4 0\n")


if __name__ == "__main__":
    unittest.main()
