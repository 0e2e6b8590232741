#!/usr/bin/env python3
"""Counts test cases in meson's logs: count_tests.py TESTLOG.json... prints "PASSED FAILED", and failures by name on stderr.

A test program that says how many cases it ran (doctest, unittest) counts as that many, any other as one. A program that
fails counts as at least one failure, however it ended.
"""
import json
import re
import sys

DOCTEST = re.compile(r"^\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed", re.MULTILINE)
UNITTEST = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_BAD = re.compile(r"(failures|errors|unexpected successes)=(\d+)")
UNITTEST_SKIPPED = re.compile(r"skipped=(\d+)")


def count(record):
    """(passed, failed) of one line of a meson log."""
    output = (record.get("stdout") or "") + "\n" + (record.get("stderr") or "")
    ok = record["result"] in ("OK", "EXPECTEDFAIL")
    if record["result"] == "SKIP":
        return 0, 0
    if found := DOCTEST.search(output):
        passed, failed = int(found.group(2)), int(found.group(3))
    elif found := UNITTEST.search(output):
        summary = output[found.end():]
        failed = sum(int(number) for _, number in UNITTEST_BAD.findall(summary))
        skipped = sum(int(number) for number in UNITTEST_SKIPPED.findall(summary))
        passed = int(found.group(1)) - failed - skipped
    else:
        passed, failed = (1, 0) if ok else (0, 1)
    return passed, failed if ok else max(failed, 1)


def main(logs):
    passed = failed = 0
    for log in logs:
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                good, bad = count(record)
                passed, failed = passed + good, failed + bad
                if bad:
                    print(f"failed: {record['name']} ({bad}): {' '.join(record['command'])}", file=sys.stderr)
    print(passed, failed)


if __name__ == "__main__":
    main(sys.argv[1:])
