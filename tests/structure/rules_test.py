"""Every rule of rules.py fails on a tree that breaks it, and passes on one that does not."""
import argparse
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import rules

SETTINGS = argparse.Namespace()


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def build(self, name, text, *flags):
        source, output = self.write(name, text), self.root / f"{name}.o"
        subprocess.run([*shlex.split(SETTINGS.cxx), *flags, str(source), "-o", str(output)], check=True)
        return output

    def test_a_tree_in_order(self):
        self.write("graph/graph.h", "#pragma once\n#include <vector>\n")
        self.write("graph/passes/fuse.cpp", '#include "graph/graph.h"\n#include "fuse.h"\n')
        self.write("graph/passes/fuse.h")
        self.write("kernels/table.h")
        self.write("engine/include/residua/residua.h", "#include <stddef.h>\n")
        self.write("engine/version.h.in")
        self.write("engine/model.cpp", '#include "graph/graph.h"\n#include "kernels/table.h"\n#include "residua/residua.h"\n'
                                       '#include "engine/version.h"\n')
        self.write("tools/main.cpp", "#include <residua/residua.h>\n")
        self.write("bench/kernel_bench.cpp", '#include "kernels/table.h"\n#include "bench/kernel_bench_peak.h"\n')
        self.write("bench/kernel_bench_peak.h", '#include "kernels/table.h"\n')
        self.write("tests/graph/graph_test.cpp", '#include "graph/graph.h"\n#include "engine/version.h"\n')
        self.assertEqual(rules.check_includes(self.root), [])
        self.assertEqual(rules.check_folder_names(self.root), [])

    def test_forbidden_includes(self):
        self.write("graph/graph.h")
        self.write("kernels/table.h")
        self.write("engine/model.h")
        self.write("engine/include/residua/residua.h")
        self.write("tests/data.h")
        for file, target in (("graph/a.cpp", "kernels/table.h"), ("graph/a.cpp", "engine/model.h"),
                             ("graph/a.cpp", "residua/residua.h"), ("kernels/a.cpp", "graph/graph.h"),
                             ("kernels/a.cpp", "engine/model.h"), ("engine/a.cpp", "tests/data.h"),
                             ("engine/include/residua/a.h", "engine/model.h"), ("tools/a.cpp", "engine/model.h"),
                             ("tools/a.cpp", "graph/graph.h"), ("tools/a.cpp", "kernels/table.h"),
                             ("bench/peers.cpp", "kernels/table.h"), ("bench/peers.h", "kernels/table.h"), ("python/a.cpp", "engine/model.h"),
                             ("bench/kernel_bench.cpp", "engine/model.h"), ("bench/kernel_bench_a.h", "tests/data.h"),
                             ("tools/a.cpp", "tests/data.h"),
                             ("graph/a.cpp", "../engine/model.h"), ("engine/a.cpp", "nowhere.h")):
            for quotes in ('""', "<>"):
                if target == "nowhere.h" and quotes == "<>":
                    continue  # a system header, for all the tree knows
                with self.subTest(file=file, target=target, quotes=quotes):
                    path = self.write(file, f"// first line\n# include {quotes[0]}{target}{quotes[1]}\n")
                    complaints = rules.check_includes(self.root)
                    self.assertEqual(len(complaints), 1, complaints)
                    self.assertTrue(complaints[0].startswith(f"{file}:2:"), complaints)
                    path.unlink()

    def test_shared_drawers(self):
        for folder in ("engine/common", "graph/passes/utils", "tests/util"):
            self.write(f"{folder}/text.h")
        self.assertEqual(len(rules.check_folder_names(self.root)), 3)

    def test_instruction_set_includes(self):
        self.write("kernels/pooling/pooling_avx2.cpp", '#include <immintrin.h>\n#include "kernels/table.h"\n')
        self.write("kernels/dispatch.cpp", "#include <vector>\n")
        self.assertEqual(rules.check_instruction_set_includes(self.root), [])
        self.write("kernels/pooling/pooling_body.h", "#include <algorithm>\n")
        self.write("kernels/pooling/pooling_avx512_vnni.cpp", "#include <vector>\n")
        self.write("kernels/tiles/tiles_amx.cpp", "#include <vector>\n")
        self.assertEqual(len(rules.check_instruction_set_includes(self.root)), 3)

    def test_weak_symbols(self):
        clean = self.build("kernels/a_avx2.cpp", "namespace { int twice(int x) { return 2 * x; } }\n"
                                                 "int f(int x) { return twice(x); }\n", "-O1", "-c")
        weak = self.build("kernels/b_avx512.cpp", "inline __attribute__((noinline)) int twice(int x) { return 2 * x; }\n"
                                                  "int g(int x) { return twice(x); }\n", "-O1", "-c")
        tiles = self.build("kernels/c_amx.cpp", "inline __attribute__((noinline)) int thrice(int x) { return 3 * x; }\n"
                                                "int h(int x) { return thrice(x); }\n", "-O1", "-c")
        self.build("kernels/d.cpp", "int i() { return 1; }\n", "-c")
        self.assertEqual(rules.instruction_set_objects(self.root), [clean, weak, tiles])
        complaints = rules.check_weak_symbols([clean, weak, tiles], SETTINGS.nm)
        self.assertEqual(len(complaints), 2, complaints)
        self.assertIn("b_avx512", complaints[0])
        self.assertIn("c_amx", complaints[1])

    def test_compilation(self):
        command = [*shlex.split(SETTINGS.cxx), "-std=c++20", "-Wall", "-Werror", "-fsyntax-only"]
        self.assertEqual(rules.check_compiles(command, "int main() {}\n", "a.cpp"), [])
        self.assertEqual(len(rules.check_compiles(command, "int main() { int unused; }\n", "a.cpp")), 1)

    def test_file_sizes(self):
        self.write("small.bin", "x" * 1000)
        self.write("large.bin", "x" * (rules.FILE_LIMIT + 1))
        complaints = rules.check_file_sizes(self.root, ["small.bin", "large.bin", "deleted.bin"])
        self.assertEqual(len(complaints), 1)
        self.assertIn("large.bin", complaints[0])

    def test_long_sources(self):
        self.write("graph/short.cpp", "\n" * rules.LINE_LIMIT)
        self.write("graph/long.cpp", "\n" * (rules.LINE_LIMIT + 1))
        self.assertEqual(rules.long_sources(self.root), ["graph/long.cpp: 501 lines"])

    def test_links(self):
        self.write("docs/guide.md", "[up](../README.md) [web](https://example.org/a) [here](#part)\n")
        self.write("README.md", "[guide](docs/guide.md#part)\n```\nf[0](missing)\n```\n")
        self.assertEqual(rules.check_links(self.root, ["README.md", "docs/guide.md"]), [])
        self.write("README.md", "[gone](docs/gone.md)\n")
        self.assertEqual(len(rules.check_links(self.root, ["README.md"])), 1)

    def test_documented_threads(self):
        self.assertEqual(rules.check_threads_are_documented(
            "/* Runs. Thread-safe. */\nRESIDUA_API int run(int a,\n  int b);\nRESIDUA_API int run_again(int a);\n"
            "/* Gives it back. No other\n * thread may use it. */\nRESIDUA_API void residua_end(void);\n"), [])
        complaints = rules.check_threads_are_documented(
            "/* Thread-safe. */\ntypedef struct a {\n  int b; /* a number */\n} a;\nRESIDUA_API a* make(void);\n")
        self.assertEqual(len(complaints), 1)
        self.assertIn("make", complaints[0])

    def test_code_blocks(self):
        text = "```c\nint a;\n```\ntext\n```cpp\nint b;\n```\n```\nint c;\n```\n"
        self.assertEqual(rules.code_blocks(text, "c"), ["int a;\n"])
        self.assertEqual(rules.code_blocks(text, "cpp"), ["int b;\n"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc")  # as tree_test.py has it; the made-up trees are C++
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--nm", default="nm")
    _, rest = parser.parse_known_args(namespace=SETTINGS)
    unittest.main(argv=[sys.argv[0], *rest])
