"""The rules of the tree, as functions from paths to a list of what breaks them. Python's standard library only.

Each complaint is one line that names the file, what was found and what the rule is. tree_test.py runs the rules on this
checkout, rules_test.py on small made-up trees, so that every rule is seen to fail.
"""
import re
import subprocess
import tempfile
from pathlib import Path

SOURCES = (".c", ".cpp", ".h", ".hpp")
HOUSES = ("graph", "kernels", "engine", "tools", "bench", "python", "tests")
# The folder that a user of the library sees. Its files are a house of their own.
PUBLIC = "engine/include"
# Who may include whom, besides itself. bench/kernel_bench*.cpp may include kernels as well.
MAY_INCLUDE = {
    PUBLIC: set(),
    "graph": set(),
    "kernels": set(),
    "engine": {PUBLIC, "graph", "kernels"},
    "tools": {PUBLIC},
    "python": {PUBLIC},
    "bench": {PUBLIC},
    "tests": {PUBLIC, "graph", "kernels", "engine", "tools", "bench", "python"},
}
SHARED_DRAWERS = {"common", "util", "utils", "helpers", "misc"}
# What a file compiled for one instruction set may include: what cannot leave an inline function behind for older CPUs.
INSTRUCTION_SET_FILE = re.compile(r"_(avx\w*|amx|body)\.(cpp|h)$")
INSTRUCTION_SET_HEADERS = {"cmath", "cstddef", "cstdint", "cstring", "immintrin.h", "xsimd/xsimd.hpp"}
FILE_LIMIT = 2_000_000
LINE_LIMIT = 500

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def source_files(root):
    """Every C and C++ file of the houses, relative to root, sorted."""
    return sorted(path.relative_to(root) for house in HOUSES for path in (root / house).rglob("*")
                  if path.suffix in SOURCES and path.is_file())


def house_of(path):
    text = path.as_posix()
    return PUBLIC if text.startswith(PUBLIC + "/") else text.split("/")[0]


def resolve_include(root, file, name):
    """The file of this tree that an include of `name` in `file` means, relative to root, or None."""
    for folder in (Path("."), file.parent, Path(PUBLIC)):
        candidate = folder / name
        # "version.h" is written by the build from version.h.in.
        if (root / candidate).is_file() or (root / f"{candidate}.in").is_file():
            return Path(candidate.as_posix())
    return None


def check_includes(root):
    complaints = []
    for file in source_files(root):
        text = (root / file).read_text(encoding="utf-8")
        for match in _INCLUDE.finditer(text):
            name = match.group(2)
            where = f"{file}:{text.count(chr(10), 0, match.start()) + 1}"
            target = resolve_include(root, file, name)
            if target is None:
                if match.group(1) == '"':
                    complaints.append(f'{where}: includes "{name}", which is no file of this tree')
                continue
            if ".." in target.parts:
                complaints.append(f'{where}: includes "{name}"; paths start at the root')
                continue
            house, other = house_of(file), house_of(target)
            allowed = MAY_INCLUDE[house] | {house}
            if file.parts[0] == "bench" and file.name.startswith("kernel_bench"):
                allowed = allowed | {"kernels"}
            if other not in allowed:
                complaints.append(f"{where}: {house} includes {target}; it may include {', '.join(sorted(allowed))}")
    return complaints


def check_instruction_set_includes(root):
    complaints = []
    for file in source_files(root):
        if file.parts[0] != "kernels" or not INSTRUCTION_SET_FILE.search(file.name):
            continue
        for quote, name in _INCLUDE.findall((root / file).read_text(encoding="utf-8")):
            if quote == "<" and name not in INSTRUCTION_SET_HEADERS:
                complaints.append(f"{file}: includes <{name}>; files of one instruction set may include "
                                  f"{', '.join(sorted(INSTRUCTION_SET_HEADERS))} and headers of kernels/")
    return complaints


def check_folder_names(root):
    return [f"{path.relative_to(root)}: no folder is called {path.name}; a helper lives beside its user"
            for house in HOUSES for path in sorted((root / house).rglob("*"))
            if path.is_dir() and path.name.lower() in SHARED_DRAWERS]


def check_weak_symbols(objects, nm="nm"):
    """Objects of instruction-set files define no weak symbol: the linker could keep that copy for every CPU."""
    complaints = []
    for path in objects:
        for line in run([nm, "--defined-only", str(path)]).splitlines():
            fields = line.split()
            if len(fields) >= 2 and fields[-2] in "WwVvu":
                complaints.append(f"{path}: defines {fields[-1]} as a weak symbol ({fields[-2]})")
    return complaints


def instruction_set_objects(build):
    return sorted(path for path in (build / "kernels").rglob("*.o") if re.search(r"_(avx\w*|amx)\.cpp\.o$", path.name))


def check_compiles(command, source, text_name):
    """`command` compiles `source` (text) without complaint. text_name ends in the language's suffix."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / text_name
        path.write_text(source, encoding="utf-8")
        done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"{' '.join(command)}: {done.stderr.strip()}"]


def check_file_sizes(root, files):
    return [f"{file}: {size} bytes; files in git stay under {FILE_LIMIT}"
            for file, size in ((f, (root / f).stat().st_size) for f in files if (root / f).is_file())
            if size > FILE_LIMIT]


def long_sources(root):
    """Sources that have grown long: worth a look, no failure."""
    return [f"{file}: {lines} lines" for file, lines in
            ((f, (root / f).read_bytes().count(b"\n")) for f in source_files(root)) if lines > LINE_LIMIT]


_COMMENT_OR_FUNCTION = re.compile(r"/\*(.*?)\*/|^RESIDUA_API [^;(]*?(\w+)\(", re.DOTALL | re.MULTILINE)
_THREADS = re.compile(r"thread-safe|one call at a time|not during a run|no other\W+thread", re.IGNORECASE)


def check_threads_are_documented(header):
    """Every function of the C interface (text) says what threads may do with it, in the comment that stands before it."""
    complaints, comment = [], ""
    for match in _COMMENT_OR_FUNCTION.finditer(header):
        if match.group(2) is None:
            comment = match.group(1)
        elif not _THREADS.search(" ".join(comment.replace("*", " ").split())):
            complaints.append(f"{match.group(2)}: its comment says nothing of threads; 'Thread-safe', 'One call at a time', "
                              "'Not during a run' or 'No other thread' expected")
    return complaints


_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def check_links(root, documents):
    """Relative links of Markdown files lead somewhere."""
    complaints = []
    for document in documents:
        text = re.sub(r"```.*?```", "", (root / document).read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in _LINK.finditer(text):
            target = match.group(1)
            if "://" not in target and not ((root / document).parent / target).exists():
                complaints.append(f"{document}: links to {target}, which does not exist")
    return complaints


def code_blocks(text, language):
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
