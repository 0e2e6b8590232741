"""residua pack and --cache, end to end."""

import resource
import unittest

import pictures
from tool_case import CIFAR, MODEL, ToolCase


class Packed(ToolCase):

    def setUp(self):
        super().setUp()
        values = [value for _, pixels in CIFAR for value in pictures.normalised(pixels)]
        (self.folder / "x.npy").write_bytes(pictures.npy((8, 3, 32, 32), values))

    def logits(self, model, *arguments, **options):
        """The bytes of the outputs."""
        process = self.check(self.tool("run", "--model", model, "--input", "x.npy", "--output", "y.npy", *arguments,
                                       **options), 0)
        self.assertEqual(process.stdout, "")
        self.messages = process.stderr
        return (self.folder / "y.npy").read_bytes()


class Pack(Packed):

    def test_a_packed_file_is_a_model_file_like_any_other(self):
        process = self.check(self.tool("pack", "--model", MODEL, "--output", "m.residua", "--batch", 1, 8), 0)
        self.assertEqual((process.stdout, process.stderr), ("", ""))
        self.assertEqual(self.names(), ["m.residua", "x.npy"])
        self.assertEqual(self.logits("m.residua"), self.logits(MODEL))
        self.assertEqual(self.logits("m.residua", environment={"RESIDUA_MAX_ISA": "sse2"}),
                         self.logits(MODEL, environment={"RESIDUA_MAX_ISA": "sse2"}))
        self.image("cat.png", 0)
        answers = [self.check(self.tool("classify", "--model", model, "--json", "cat.png"), 0).stdout
                   for model in ("m.residua", MODEL)]
        self.assertEqual(*answers)
        texts = [self.check(self.tool("inspect", "--model", model), 0).stdout for model in ("m.residua", MODEL)]
        self.assertEqual(*[text.split("graph ")[1] for text in texts])
        self.assertIn("packed", texts[0])

    def test_inspect_finds_damage_that_a_start_does_not_look_for(self):
        self.check(self.tool("pack", "--model", MODEL, "--output", "m.residua"), 0)
        content = bytearray((self.folder / "m.residua").read_bytes())
        content[-5] ^= 4
        (self.folder / "m.residua").write_bytes(content)
        process = self.check(self.tool("inspect", "--model", "m.residua"), 3)
        self.assertIn("is damaged: its checksum differs", process.stderr)
        (self.folder / "m.residua").write_bytes(content[:-1])
        process = self.check(self.tool("run", "--model", "m.residua", "--input", "x.npy", "--output", "y.npy"), 3)
        self.assertIn("m.residua: the packed model file has", process.stderr)

    def test_an_output_that_cannot_be_written_leaves_nothing(self):
        process = self.check(self.tool("pack", "--model", MODEL, "--output", "no/such/m.residua"), 1)
        self.assertIn("no/such/m.residua: cannot be written", process.stderr)
        (self.folder / "m.residua").write_text("older")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        process = self.tool("pack", "--model", MODEL, "--output", "m.residua", preexec_fn=limit, restore_signals=False)
        self.check(process, 1)
        self.assertIn("File too large", process.stderr)
        self.assertEqual((self.folder / "m.residua").read_text(), "older")
        self.assertEqual(self.names(), ["m.residua", "x.npy"])

    def test_usage(self):
        for arguments in (("--model", MODEL), ("--output", "m.residua"),
                          ("--model", MODEL, "--output", "m.residua", "--batch", 0)):
            self.check(self.tool("pack", *arguments), 2)
        self.check(self.tool("pack", "--model", "gone.onnx", "--output", "m.residua"), 3)
        self.assertEqual(self.names(), ["x.npy"])


class Cache(Packed):

    def cached(self, **options):
        return self.logits(MODEL, "--cache", environment={"XDG_CACHE_HOME": str(self.folder / "cache")}, **options)

    def kept(self):
        return sorted((self.folder / "cache" / "residua").iterdir())

    def test_the_second_run_finds_what_the_first_one_kept(self):
        expected = self.logits(MODEL)
        self.assertEqual(self.cached(), expected)
        [entry] = self.kept()
        self.assertRegex(entry.name, r"^resnet20-cifar10-[0-9a-f]{16}-[0-9a-f]{16}\.residua$")
        before = entry.stat()
        self.assertEqual(self.cached(), expected)
        self.assertEqual(self.messages, "")
        self.assertEqual((entry.stat().st_ino, entry.stat().st_mtime_ns), (before.st_ino, before.st_mtime_ns))

    def test_a_damaged_entry_is_made_again(self):
        expected = self.cached()
        [entry] = self.kept()
        content = entry.read_bytes()
        entry.unlink()
        entry.write_bytes(content[:1000])
        self.assertEqual(self.cached(), expected)
        self.assertIn("it is made again", self.messages)
        self.assertEqual(entry.read_bytes(), content)

    def test_a_full_disk_fails_no_run(self):
        expected = self.logits(MODEL)
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        self.assertEqual(self.cached(preexec_fn=limit, restore_signals=False), expected)
        self.assertIn("cache: ", self.messages)
        self.assertEqual(self.kept(), [])

    def test_bench_and_classify_take_it_too(self):
        self.image("cat.png", 0)
        environment = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        self.check(self.tool("bench", "--model", MODEL, "--cache", "--seconds", 0.01, environment=environment), 0)
        self.assertEqual(len(self.kept()), 1)
        self.check(self.tool("classify", "--model", MODEL, "--cache", "cat.png", environment=environment), 0)
        self.assertEqual(len(self.kept()), 1)


if __name__ == "__main__":
    unittest.main()
