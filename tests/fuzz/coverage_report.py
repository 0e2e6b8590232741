"""Sums up what llvm-cov has counted: python3 coverage_report.py ROOT LEAST [--missed] <lcov text

Lines of the importers and of the code that reads images, file by file; exits 1 where less than LEAST percent of all was
reached, or where a file is in no fuzzer at all. --missed also prints every line that was not reached."""
import re
import sys
from pathlib import Path

MEASURED = re.compile(r"(graph/import|kernels/image|tools/image)/.*|tools/npy\.(cpp|h)")
WRITERS = re.compile(r"packed_file_write|_encode\.")


def counts_by_file(report, root):
    """{path below root: {line: how often}}"""
    counts, lines = {}, {}
    for entry in report:
        kind, _, rest = entry.strip().partition(":")
        if kind == "SF":
            path = Path(rest).resolve()
            lines = counts.setdefault(str(path.relative_to(root)), {}) if path.is_relative_to(root) else {}
        elif kind == "DA":
            line, count = map(int, rest.split(",")[:2])
            lines[line] = max(count, lines.get(line, 0))
    return {path: lines for path, lines in counts.items() if is_measured(path)}


def is_measured(path):
    return MEASURED.fullmatch(path) and not WRITERS.search(path)


def main(root, least, missed):
    every, reached = 0, 0
    counted = counts_by_file(sys.stdin, root)
    sources = (str(path.relative_to(root)) for top in ("graph", "kernels", "tools") for path in sorted((root / top).rglob("*.cpp")))
    absent = [path for path in sources if is_measured(path) and path not in counted]
    for path in absent:
        print(f"coverage: {path} is in no fuzzer")
    for path, counts in sorted(counted.items()):
        left = [line for line, count in sorted(counts.items()) if count == 0]
        every, reached = every + len(counts), reached + len(counts) - len(left)
        print(f"coverage: {100 - 100 * len(left) / len(counts):5.1f} % of {len(counts):4} lines  {path}")
        text = (root / path).read_text().splitlines() if missed else []
        for line in left if missed else []:
            print(f"{line:5} {text[line - 1]}")
    print(f"coverage: {100 * reached / max(every, 1):.1f} % of {every} lines of importers and image code")
    return bool(absent) or every == 0 or 100 * reached < least * every


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), float(sys.argv[2]), "--missed" in sys.argv[3:]))
