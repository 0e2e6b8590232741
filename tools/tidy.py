#!/usr/bin/env python3
"""clang-tidy over files of a build, as many at a time as there are CPUs. A file that was found clean is not looked at
again while nothing changes that clang-tidy would see: the preprocessed text with its comments, the compiler's
arguments, the settings, clang-tidy itself. What is known to be clean lies in the user's cache folder, a name a file.

  tools/tidy.py --clang-tidy .deps/clang-tidy/bin/clang-tidy --build build-check/clang FILE...

Exits 1 when something was found."""

import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT_SECONDS = 60 * 24 * 3600


def compiler_and_arguments(command):
    """Of a compile command: the compiler first, without ccache."""
    arguments = shlex.split(command)
    while pathlib.Path(arguments[0]).name == "ccache":
        arguments.pop(0)
    return arguments


@functools.cache
def own_headers(compiler):
    """Where the compiler keeps its own headers: clang-tidy has all of those itself but omp.h."""
    return subprocess.run([compiler, "-print-file-name=include"], capture_output=True, text=True, check=True).stdout.strip()


def preprocessing(command):
    """The compile command as one that writes the preprocessed text, comments kept, to standard output."""
    arguments = compiler_and_arguments(command)
    kept, skip = [], False
    for argument in arguments:
        if skip or argument in ("-c", "-MD", "-MMD"):
            skip = False
        elif argument in ("-o", "-MF", "-MQ", "-MT"):
            skip = True
        else:
            kept.append(argument)
    return [*kept, "-E", "-C", "-o", "-"]


def fingerprint(entries, tool):
    """Of all that clang-tidy would see of a file, which may be compiled in several ways; wherever the checkout lies."""
    digest = hashlib.sha256(tool.encode())
    for entry in entries:
        arguments = preprocessing(entry["command"])
        text = subprocess.run(arguments, cwd=entry["directory"], capture_output=True, check=True).stdout
        seen = "\n".join(arguments).encode() + b"\n" + text
        digest.update(seen.replace(str(ROOT).encode(), b""))
    return digest.hexdigest()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clang-tidy", default="clang-tidy", help="the program")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a folder with compile_commands.json")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    return parser.parse_args()


def main():
    options = parse_arguments()
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    clean = home / "residua-checks" / "tidy"
    clean.mkdir(parents=True, exist_ok=True)
    for old in clean.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            old.unlink(missing_ok=True)

    version = subprocess.run([options.clang_tidy, "--version"], capture_output=True, text=True, check=True).stdout
    tool = version + (ROOT / ".clang-tidy").read_text()
    ways = {}
    for entry in json.loads((options.build / "compile_commands.json").read_text()):
        ways.setdefault((pathlib.Path(entry["directory"]) / entry["file"]).resolve(), []).append(entry)

    def look_at(path):
        entries = ways.get(path.resolve())
        if entries is None:
            return f"{path} is not in {options.build / 'compile_commands.json'}\n"
        known = clean / fingerprint(entries, tool)
        if known.exists():
            known.touch()
            return None
        headers = own_headers(compiler_and_arguments(entries[0]["command"])[0])
        run = subprocess.run([options.clang_tidy, "--quiet", "-p", options.build, f"--extra-arg=-idirafter{headers}", path],
                             capture_output=True, text=True)
        if run.returncode != 0:
            return run.stdout + run.stderr
        known.touch()
        return ""

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        outcomes = list(pool.map(look_at, options.files))
    found = [outcome for outcome in outcomes if outcome]
    sys.stdout.writelines(found)
    print(f"{len(outcomes)} files, {outcomes.count(None)} known to be clean, {len(found)} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
