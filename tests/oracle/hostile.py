"""Files that mean harm, files cut short, and NaN, given to Residua and to onnxruntime, OpenVINO and ncnn.

The ONNX files are those of tests/hostile; ncnn gets files in its own format. Every case runs in a process of its own, with
limits on time and addresses, and strace watches which files it opens. Good: Residua has nothing but errors and right answers.
--table FILE writes what was found as Markdown.
"""
import base64
import datetime
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import hostile_cases
import oracle
from hostile_worker import MARK, MOST_SECONDS, MOST_WAITING

sys.path.append(str(oracle.ROOT / "tests" / "hostile"))
import make
from cases import CASES

GROUPS = (hostile_cases.MALICIOUS, hostile_cases.CUT, hostile_cases.NUMBERS)
ENGINES = {"Residua": ("residua", "onnx"), "Residua --direct": ("residua --direct", "onnx"),
           "onnxruntime": ("onnxruntime", "onnx"), "OpenVINO": ("openvino", "onnx"), "ncnn": ("ncnn", "ncnn")}
GOOD = ("error", "right")
VERDICTS = {
    "error": "a clean error", "right": "the right answer", "crash": "the process ended by a signal",
    "hang": f"no end within {MOST_SECONDS} s of computing, or {MOST_WAITING} s of waiting", "outside": "a file outside the model's folder was opened",
    "memory": "more than 512 MB for a file of a few kilobytes", "refused": "an error where there is a right answer",
    "wrong": "an answer to a file that has no meaning, another one than the whole file's, or a number in place of NaN or infinity",
    "spread": "NaN where the right answer is a number or infinity",
}
MOST_MEMORY = 512 << 20
TOLERANCE = 1e-3
OPENED = re.compile(r'^(\d+) +(?:open|openat|openat2)\((?:[^,"]*, )?"((?:[^"\\]|\\.)*)".* = (-?\d+)')
STARTED = re.compile(r"^(\d+) +.*\b(?:clone3?|v?fork)\b.* = (\d+)$")
# Besides what a good file makes it open, a process may load libraries and modules, and ask about the machine.
LIBRARIES = ("/usr/", "/lib", "/etc/ld.so", "/sys/")
MACHINE = re.compile(r"/proc/(N/(?!environ)|cpuinfo$|meminfo$)")
PROCESS = re.compile(r"^/proc/\d+/")


def prepare(case, home):
    """Writes the case's folder, and its image; returns it."""
    if case.home:
        folder = make.write(next(each for each in CASES if each.name == case.home), home)
    else:
        folder = home / case.name
        folder.mkdir(parents=True)
        for name, content in case.files.items():
            (folder / name).write_bytes(content)
    np.save(folder / "x.npy", case.image)
    return folder


def opened_outside(trace, folders, prefixes):
    """For each case, the paths it opened that lie neither in its folder nor among what every run opens."""
    lines = trace.read_text(errors="replace").splitlines()
    # The worker has threads of its own, which engines start to report home: only the children and what they start count.
    parents = {int(match[2]): int(match[1]) for match in map(STARTED.match, lines) if match}
    found, cases = defaultdict(set), {}
    for line in lines:
        match = OPENED.match(line)
        if not match:
            continue
        process, path, result = int(match[1]), match[2], int(match[3])
        if path.startswith(MARK):
            cases[process] = path[len(MARK):]
            continue
        while process not in cases and process in parents:
            process = parents[process]
        if process not in cases or result < 0:
            continue
        folder = folders[cases[process]]
        whole = PROCESS.sub("/proc/N/", os.path.realpath(os.path.join(folder, path)))
        if whole != str(folder) and not whole.startswith((f"{folder}/", *prefixes)) and not MACHINE.match(whole):
            found[cases[process]].add(whole)
    return found


def run_all(engine, cases, tool, scratch):
    """What became of every case: {name: outcome of hostile_worker.py, with the outside paths}. The first one is a good file."""
    folders = {case.name: prepare(case, scratch / case.name) for case in cases}
    trace = scratch / "trace"
    worker = Path(__file__).with_name("hostile_worker.py")
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", "trace=open,openat,openat2,clone,clone3,fork,vfork", "-o", str(trace),
               sys.executable, "-B", str(worker), engine, str(tool.resolve())]
    lines = "".join(json.dumps({"name": case.name, "folder": str(folders[case.name]), "model": case.model}) + "\n" for case in cases)
    environment = {**os.environ, "HOME": str(scratch), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, env=environment)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    if len(outcomes) != len(cases):
        raise RuntimeError(f"{engine}: the worker ended after {len(outcomes)} cases: {done.stderr[-600:]}")
    prefixes = (*LIBRARIES, sys.prefix, sys.base_prefix, str(tool.resolve().parents[1]), str(oracle.ROOT.resolve() / ".deps"))
    prefixes += tuple(os.path.realpath(prefix) for prefix in prefixes)
    outside = opened_outside(trace, folders, prefixes)
    for case, outcome in zip(cases, outcomes):
        outcome["outside"] = sorted(outside[case.name] - outside[cases[0].name])
    return {case.name: outcome for case, outcome in zip(cases, outcomes)}


def verdict_on_values(wanted, outcome):
    found = np.frombuffer(base64.b64decode(outcome["values"]), np.float32).astype(np.float64)
    if wanted is None:
        return "right"
    if isinstance(wanted, str):
        return "wrong"
    wanted = np.asarray(wanted, np.float64).ravel()
    if found.size != wanted.size:
        return "wrong"
    nan, infinite = np.isnan(wanted), np.isinf(wanted)
    numbers = ~nan & ~infinite
    if np.isnan(found[~nan]).any():
        spread = True
        numbers &= ~np.isnan(found)
        infinite &= ~np.isnan(found)
    else:
        spread = False
    scale = np.abs(wanted[numbers]).max(initial=1)
    with np.errstate(invalid="ignore"):
        good = (np.isnan(found[nan]).all() and (found[infinite] == wanted[infinite]).all()
                and (np.abs(found[numbers] - wanted[numbers]) <= TOLERANCE * scale).all())
    return ("spread" if spread else "right") if good else "wrong"


def verdict(case, outcome, usual_memory):
    if outcome["kind"] in ("crash", "hang"):
        return outcome["kind"]
    if outcome["outside"]:
        return "outside"
    if outcome["memory"] > usual_memory + MOST_MEMORY:
        return "memory"
    if outcome["kind"] == "error":
        return "error" if case.may_refuse else "refused"
    return verdict_on_values(case.wanted, outcome)


def versions(tool):
    names = {"Residua": tool.call("--version").split()[1]}
    for engine, package in (("onnxruntime", "onnxruntime"), ("OpenVINO", "openvino"), ("ncnn", "ncnn")):
        try:
            names[engine] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"{engine} is not installed; it is left out")
    return names


def table(found, names, groups):
    """The Markdown page."""
    known = ", ".join(f"{engine} {version}" for engine, version in names.items())
    out = ["# Hostile files, and what engines make of them", "",
           f"Written on {datetime.date.today()} by `tests/oracle/run.sh hostile -- --table docs/hostile-files.md`: {known}.",
           "Every case runs in a process of its own under strace. onnxruntime, OpenVINO and Residua get the ONNX files of "
           "`tests/hostile`;", "ncnn gets files in its own format, with faults of its kind (`tests/oracle/ncnn_files.py`). "
           "Cut short: one small model cut at every", "byte, and the weights beside it. NaN and infinity: one pixel or plane, "
           "or a weight, against a reference in double precision.", ""]
    for group in groups:
        used = [kind for kind in VERDICTS if any(kind == result for verdicts in found.values() for result in verdicts[group].values())]
        out += [f"## {group[0].upper()}{group[1:]}", "", "| engine | cases | " + " | ".join(used) + " |",
                "|---|---:|" + "---:|" * len(used)]
        for engine, verdicts in found.items():
            counts = Counter(verdicts[group].values())
            if not counts:
                continue
            out.append(f"| {engine} | {len(verdicts[group])} | " + " | ".join(str(counts[kind]) for kind in used) + " |")
        out.append("")
    out += ["Winograd's and Strassen's algorithms mix neighbours, so that one NaN becomes several, and on tile registers "
            "(AMX)", "an infinity becomes NaN (*spread*); `--direct` runs Residua without them "
            "([SECURITY.md](../SECURITY.md)).", ""]
    out += ["What the words mean:", ""] + [f"- **{kind}**: {meaning}" for kind, meaning in VERDICTS.items()] + [""]
    out += ["## Which cases", ""]
    for engine, verdicts in found.items():
        for group in groups:
            bad = defaultdict(list)
            for name, result in verdicts[group].items():
                if result not in GOOD:
                    bad[result].append(name)
            out += [f"- **{engine}**, {group}, {kind}: {listed(bad[kind])}" for kind in VERDICTS if bad[kind]]
    return "\n".join(out) + "\n"


def listed(names):
    """Names, with the lengths of files cut short drawn together."""
    lengths, rest = defaultdict(list), []
    for name in names:
        match = re.fullmatch(r"(.*)_of_(\d+)_bytes", name)
        lengths[match[1]].append(int(match[2])) if match else rest.append(name)
    rest += [f"{file} of {min(each)} to {max(each)} bytes ({len(each)} lengths)" for file, each in lengths.items()]
    return ", ".join(rest)


def main():
    parser = oracle.arguments(__doc__)
    parser.add_argument("--table", type=Path, help="write the Markdown page there")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="only this one; may be given again")
    parser.add_argument("--group", action="append", choices=GROUPS, help="only these cases; may be given again")
    parser.add_argument("--case", default="", help="only cases whose name holds this; what was said is printed")
    options = parser.parse_args()
    if not shutil.which("strace"):
        sys.exit("hostile: strace is missing: tools/setup.sh --with-checks installs it")
    names = versions(oracle.Tool(options.tool))
    groups = tuple(options.group or GROUPS)
    found = {}
    for engine, (worker, format_) in ENGINES.items():
        if engine.split()[0] not in names or (options.engine and engine not in options.engine):
            continue
        # How a run computes is no matter of reading files.
        own_groups = [group for group in groups if group == hostile_cases.NUMBERS or not worker.endswith("--direct")]
        cases = [hostile_cases.good(format_), *(case for case in hostile_cases.cases(format_)
                                                if case.group in own_groups and options.case in case.name)]
        with tempfile.TemporaryDirectory(prefix="residua-hostile-") as scratch:
            outcomes = run_all(worker, cases, options.tool, Path(os.path.realpath(scratch)))
        usual = outcomes[cases[0].name]["memory"]
        verdicts = {group: {} for group in groups}
        if verdict(cases[0], outcomes[cases[0].name], usual) != "right":
            sys.exit(f"hostile: {engine} does not run a good file: {outcomes[cases[0].name]}")
        for case in cases[1:]:
            outcome = outcomes[case.name]
            verdicts[case.group][case.name] = verdict(case, outcome, usual)
            if options.case or verdicts[case.group][case.name] in ("refused",):
                shown = {key: value for key, value in outcome.items() if key != "values"}
                print(f"{engine}: {case.name}: {verdicts[case.group][case.name]}: {shown}")
        found[engine] = verdicts
        for group in groups:
            print(f"{engine}: {group}: {dict(Counter(verdicts[group].values()))}", flush=True)
    if options.table:
        options.table.write_text(table(found, names, groups), encoding="utf-8")
    # Winograd's and Strassen's algorithms may spread NaN, and tile registers make it of infinities (SECURITY.md);
    # --direct may do neither.
    allowed = {"Residua": (*GOOD, "spread"), "Residua --direct": GOOD}
    bad = [f"{engine}: {name}" for engine in allowed if engine in found for group in groups
           for name, result in found[engine][group].items() if result not in allowed[engine]]
    print("\n".join(f"not good: {name}" for name in bad) or "all good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
