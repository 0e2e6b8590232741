"""This checkout keeps the rules of rules.py. Run by meson: tree_test.py --root DIR --build DIR --cc CC --cxx CXX ..."""
import argparse
import shlex
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import rules

SETTINGS = argparse.Namespace()
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def tracked_files():
    """What git knows, or None without git or outside a checkout."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(SETTINGS.root), "ls-files", "-z"],
                          capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name] if done.returncode == 0 else None


def compilers():
    """Pairs of a C and a C++ compiler: those of this build, and gcc's and clang's where they are installed."""
    pairs = [(shlex.split(SETTINGS.cc), shlex.split(SETTINGS.cxx))]
    for c, cpp in (("gcc", "g++"), ("clang", "clang++"), ("clang-14", "clang++-14")):
        if shutil.which(c) and shutil.which(cpp):
            pairs.append(([c], [cpp]))
    return pairs


def c_command(standard, compiler=None):
    return [*(compiler or shlex.split(SETTINGS.cc)), f"-std={standard}", *WARNINGS, f"-I{SETTINGS.root / rules.PUBLIC}"]


def cpp_command(standard, compiler=None):
    return [*(compiler or shlex.split(SETTINGS.cxx)), f"-std={standard}", *WARNINGS, f"-I{SETTINGS.root / rules.PUBLIC}"]


class Tree(unittest.TestCase):
    def expect_none(self, complaints):
        self.assertFalse(complaints, "\n" + "\n".join(complaints))

    def test_includes_follow_the_houses(self):
        self.expect_none(rules.check_includes(SETTINGS.root))

    def test_instruction_set_files_include_no_inline_functions(self):
        self.expect_none(rules.check_instruction_set_includes(SETTINGS.root))

    def test_no_shared_drawers(self):
        self.expect_none(rules.check_folder_names(SETTINGS.root))

    def test_no_weak_symbols_in_instruction_set_objects(self):
        if SETTINGS.sanitized:
            self.skipTest("sanitizers add weak symbols of their own")
        objects = rules.instruction_set_objects(SETTINGS.build)
        self.assertTrue(objects, f"no object of an instruction-set file under {SETTINGS.build}/kernels")
        self.expect_none(rules.check_weak_symbols(objects, SETTINGS.nm))

    def test_c_header_is_c99_and_cpp11(self):
        source = "#include <residua/residua.h>\n#include <residua/residua.h>\nint main(void) { return 0; }\n"
        for c, cpp in compilers():
            self.expect_none(rules.check_compiles(c_command("c99", c), source, "consumer.c"))
            self.expect_none(rules.check_compiles(cpp_command("c++11", cpp), source, "consumer.cpp"))

    def test_c_header_says_what_threads_may_do(self):
        header = (SETTINGS.root / rules.PUBLIC / "residua" / "residua.h").read_text(encoding="utf-8")
        self.assertGreater(header.count("RESIDUA_API residua_status "), 30)
        self.expect_none(rules.check_threads_are_documented(header))

    def test_cpp_header_is_cpp20(self):
        source = "#include <residua/residua.hpp>\n#include <residua/residua.hpp>\nint main() { return 0; }\n"
        for _, cpp in compilers():
            self.expect_none(rules.check_compiles(cpp_command("c++20", cpp), source, "consumer.cpp"))

    def test_examples_of_the_readme_compile(self):
        text = (SETTINGS.root / "README.md").read_text(encoding="utf-8")
        examples = [(c_command("c99"), block, "example.c") for block in rules.code_blocks(text, "c")]
        examples += [(cpp_command("c++20"), block, "example.cpp") for block in rules.code_blocks(text, "cpp")]
        self.assertTrue(examples, "README.md has no example in C or C++")
        for example in examples:
            self.expect_none(rules.check_compiles(*example))

    def test_the_readme_shows_the_examples_as_they_are(self):
        text = (SETTINGS.root / "README.md").read_text(encoding="utf-8")
        for name, language in (("classify.c", "c"), ("classify.cpp", "cpp"), ("classify.py", "python")):
            example = (SETTINGS.root / "examples" / name).read_text(encoding="utf-8")
            self.assertIn(example, rules.code_blocks(text, language), f"README.md does not show examples/{name} as it is")
            self.assertLess(example.count("\n"), 40, f"examples/{name} is no longer short")

    def test_links_lead_somewhere(self):
        documents = [path.relative_to(SETTINGS.root) for folder in (".", "docs", "models")
                     for path in (SETTINGS.root / folder).glob("*.md")]
        self.expect_none(rules.check_links(SETTINGS.root, documents))

    def test_files_in_git_are_small(self):
        files = tracked_files()
        if files is None:
            self.skipTest("not a git checkout")
        self.expect_none(rules.check_file_sizes(SETTINGS.root, files))

    def test_long_sources_are_reported(self):
        for line in rules.long_sources(SETTINGS.root):
            print(f"long source, still one thing? {line}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--sanitized", action="store_true")
    _, rest = parser.parse_known_args(namespace=SETTINGS)
    unittest.main(argv=[sys.argv[0], *rest])
