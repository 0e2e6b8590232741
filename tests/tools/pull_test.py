"""residua pull, end to end, against a server on this machine."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from file_server import FileServer
from tool_case import MODEL, ROOT, TOOL, ToolCase

WEIGHTS = pathlib.Path(MODEL).read_bytes()
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()
FILE = "tiny-%s.safetensors" % DIGEST[:8]


class PullCase(ToolCase):
    """A catalogue with one set, `tiny`, whose file is on a server."""

    def setUp(self):
        super().setUp()
        self.server = FileServer({FILE: WEIGHTS})
        self.addCleanup(self.server.close)
        self.catalogue()
        self.kept = self.folder / "cache/residua/weights" / FILE
        self.part = pathlib.Path(str(self.kept) + ".part")

    def catalogue(self, **changes):
        entry = {"name": "tiny.first", "alias": "tiny", "url": self.server.address + "/store/" + FILE, "sha256": DIGEST[:8]}
        entry.update(changes)
        entry = {key: value for key, value in entry.items() if value is not None}
        (self.folder / "catalogue.json").write_text(json.dumps({"weights": [entry]}))

    def environment(self, more=None):
        return {"XDG_CACHE_HOME": str(self.folder / "cache"), "RESIDUA_CATALOGUE": "catalogue.json", "NO_PROXY": "127.0.0.1",
                **(more or {})}

    def run_tool(self, *arguments, code=0, environment=None):
        return self.check(self.tool(*arguments, environment=self.environment(environment)), code)

    def pull(self, *arguments, **options):
        return self.run_tool("pull", *(arguments or ("tiny",)), **options)

    def start(self, *arguments):
        process = subprocess.Popen([TOOL, "pull", *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   encoding="utf-8", env={**os.environ, **self.environment()})
        for stream in (process.stdout, process.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(process.kill)
        return process

    def expect_whole(self):
        self.assertEqual(self.kept.read_bytes(), WEIGHTS)
        self.assertEqual([path.name for path in self.kept.parent.iterdir()], [FILE])

    def expect_nothing(self):
        self.assertEqual([path.name for path in self.kept.parent.iterdir()] if self.kept.parent.exists() else [], [])


class Pull(PullCase):

    def test_a_file_is_fetched_once(self):
        process = self.pull()
        self.expect_whole()
        self.assertIn(DIGEST, process.stdout)
        self.assertIn("the first 8 digits compared", process.stdout)
        self.assertEqual(process.stderr, "")
        self.assertEqual(self.server.requests, [("/store/" + FILE, None)])
        self.assertIn("is there", self.pull("tiny.first").stdout)
        self.assertEqual(len(self.server.requests), 1)
        self.catalogue(sha256=DIGEST)
        self.assertIn("all digits compared", self.pull().stdout)

    def test_home_is_where_the_cache_is_by_default(self):
        self.run_tool("pull", "tiny", environment={"XDG_CACHE_HOME": "relative", "HOME": str(self.folder / "home")})
        self.assertEqual((self.folder / "home/.cache/residua/weights" / FILE).read_bytes(), WEIGHTS)
        self.assertFalse((self.folder / "relative").exists())
        process = self.pull(environment={"XDG_CACHE_HOME": "", "HOME": ""}, code=1)
        self.assertIn("XDG_CACHE_HOME", process.stderr)

    def test_a_mirror_and_a_folder(self):
        self.catalogue(url="https://nowhere.invalid/" + FILE)
        self.pull("--from", self.server.address + "/mirror/", "tiny")
        self.expect_whole()
        self.assertEqual(self.server.requests, [("/mirror/" + FILE, None)])
        self.kept.unlink()
        self.pull(environment={"RESIDUA_MIRROR": self.server.address})
        self.expect_whole()
        self.kept.unlink()
        store = self.folder / "my store"
        store.mkdir()
        self.assertIn("my store/%s: no such file" % FILE, self.pull("--from", store, "tiny", code=1).stderr)
        self.expect_nothing()
        (store / FILE).write_bytes(WEIGHTS)
        self.pull("--from", "my store", "tiny", environment={"RESIDUA_MIRROR": "http://nowhere.invalid"})
        self.expect_whole()
        self.kept.unlink()
        self.part.write_bytes(b"left by another source")
        self.catalogue(url="my store/" + FILE)  # from the catalogue's folder on
        self.pull()
        self.expect_whole()

    def test_what_has_come_is_kept_and_gone_on_from(self):
        self.kept.parent.mkdir(parents=True)
        self.part.write_bytes(WEIGHTS[:5000])
        self.pull()
        self.expect_whole()
        self.assertEqual(self.server.requests, [("/store/" + FILE, "bytes=5000-")])

    def test_a_server_without_ranges_sends_all_again(self):
        self.kept.parent.mkdir(parents=True)
        self.part.write_bytes(WEIGHTS[:5000])
        self.server.behaviour = "no ranges"
        self.pull()
        self.expect_whole()

    def test_a_part_of_another_file_is_thrown_away(self):
        self.kept.parent.mkdir(parents=True)
        for left in (b"x" * 5000, WEIGHTS + b"x", WEIGHTS[:-1] + b"x", b"x" * len(WEIGHTS)):
            self.part.write_bytes(left)
            self.pull()
            self.expect_whole()
            self.kept.unlink()
        self.part.write_bytes(WEIGHTS)  # all of it had come
        self.pull()
        self.expect_whole()

    def test_a_server_that_dies_is_asked_for_the_rest(self):
        self.server.behaviour = "dies"
        self.server.files[FILE] = WEIGHTS[:3000]
        self.catalogue(sha256=hashlib.sha256(WEIGHTS[:3000]).hexdigest())
        name = FILE.replace(".", "-%s." % hashlib.sha256(WEIGHTS[:3000]).hexdigest()[:8])
        self.kept, self.part = self.kept.with_name(name), self.kept.with_name(name + ".part")
        process = self.pull(code=1)  # a third of what is left each time, until only two bytes are
        self.assertIn(self.server.address + "/store/" + FILE, process.stderr)
        self.assertFalse(self.kept.exists())
        got = self.part.stat().st_size
        self.assertGreater(got, 2900)
        self.assertEqual(self.part.read_bytes(), WEIGHTS[:got])
        begins = [int(ranges[len("bytes="):-1]) for _, ranges in self.server.requests[1:]]
        self.assertEqual(begins[0], 1000)
        self.assertEqual(begins, sorted(begins))
        self.server.behaviour = "well"
        self.pull()
        self.assertEqual(self.server.requests[-1][1], "bytes=%d-" % got)
        self.assertEqual(self.kept.read_bytes(), WEIGHTS[:3000])

    def test_files_of_one_name_are_kept_apart(self):
        other = bytearray(WEIGHTS)
        other[-3] ^= 1
        self.server.files["model.safetensors"] = WEIGHTS
        (self.folder / "store").mkdir()
        (self.folder / "store/model.safetensors").write_bytes(other)
        entries = [{"name": "a", "url": self.server.address + "/store/model.safetensors", "sha256": DIGEST},
                   {"name": "b", "url": "store/model.safetensors", "sha256": hashlib.sha256(other).hexdigest()}]
        (self.folder / "catalogue.json").write_text(json.dumps({"weights": entries}))
        self.assertEqual(self.pull("a", "b").stderr, "")
        for name, weights in (("a", WEIGHTS), ("b", bytes(other))):
            process = self.pull(name)
            self.assertIn("is there", process.stdout)
            self.assertIn(hashlib.sha256(weights).hexdigest(), process.stdout)
        digests = [self.run_tool("inspect", "--model", name).stdout.split("sha256 ")[1][:64] for name in "ab"]
        self.assertNotEqual(*digests)

    def test_other_bytes_than_the_digest_says(self):
        self.server.files[FILE] = WEIGHTS[:-1] + b"x"
        process = self.pull(code=1)
        for part in (FILE, hashlib.sha256(self.server.files[FILE]).hexdigest(), DIGEST[:8], str(len(WEIGHTS))):
            self.assertIn(part, process.stderr)
        self.expect_nothing()
        self.server.files[FILE] = WEIGHTS
        self.server.behaviour = "cut"
        self.assertIn("%d with the SHA-256" % (len(WEIGHTS) // 3), self.pull(code=1).stderr)
        self.expect_nothing()
        self.server.behaviour = "other part"
        self.part.write_bytes(WEIGHTS[:5000])
        self.assertIn("another part", self.pull(code=1).stderr)
        self.assertFalse(self.kept.exists())

    def test_a_damaged_file_is_fetched_again(self):
        self.pull()
        self.kept.write_bytes(WEIGHTS[:-1] + b"x")
        self.assertIn("damaged", self.pull().stderr)
        self.expect_whole()

    def test_no_such_file_and_no_server(self):
        del self.server.files[FILE]
        process = self.pull(code=1)
        self.assertIn("the server answers 404", process.stderr)
        self.assertIn(FILE, process.stderr)
        self.expect_nothing()
        self.server.close()
        for address in (self.server.address, "http://nowhere.invalid"):
            process = self.pull("--from", address, "tiny", code=1)
            self.assertRegex(process.stderr, r"tiny\.first: %s/%s: .*(onnect|resolve)" % (address, FILE))
            self.assertIn("--from takes it from", process.stderr)
            self.expect_nothing()
        self.assertIn("ftp://here", self.pull("--from", "ftp://here", "tiny", code=1).stderr)

    def test_redirects_are_followed(self):
        self.server.behaviour = "redirects"
        self.pull()
        self.expect_whole()

    def test_a_killed_process_leaves_a_part_and_a_second_one_waits(self):
        self.server.behaviour = "waits"
        first = self.start("tiny")
        self.assertTrue(self.server.sent_a_third.wait(30))
        second = self.start("tiny")
        self.assertIn("waiting for another process", second.stderr.readline())
        self.assertFalse(self.kept.exists())
        self.server.go_on.set()
        self.assertEqual((first.wait(30), second.wait(30)), (0, 0))
        self.expect_whole()
        self.assertEqual(len(self.server.requests), 1)
        self.kept.unlink()
        self.server.go_on.clear()
        self.server.sent_a_third.clear()
        killed = self.start("tiny")
        self.assertTrue(self.server.sent_a_third.wait(30))
        deadline = time.monotonic() + 30
        while not self.part.exists() or self.part.stat().st_size < 1000:
            self.assertLess(time.monotonic(), deadline)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        self.assertFalse(self.kept.exists())
        self.server.behaviour = "well"
        self.server.go_on.set()
        self.pull()
        self.assertTrue(self.server.requests[-1][1])
        self.expect_whole()

    def test_many_at_once(self):
        processes = [self.start("tiny") for _ in range(6)]
        self.assertEqual([process.wait(60) for process in processes], [0] * 6)
        self.expect_whole()
        self.assertEqual(len(self.server.requests), 1)

    def test_one_that_fails_does_not_keep_the_others(self):
        entries = [{"name": name, "url": self.server.address + "/" + file, "sha256": DIGEST}
                   for name, file in (("gone", "gone.bin"), ("tiny", FILE))]
        (self.folder / "two.json").write_text(json.dumps({"weights": entries}))
        process = self.pull("--catalogue", "two.json", "gone", "tiny", code=1)
        self.assertIn("residua: gone: ", process.stderr)
        self.expect_whole()

    def test_names_and_usage(self):
        self.assertIn("residua pull --list", self.pull("resnet51", code=2).stderr)
        self.run_tool("pull", code=2)
        self.run_tool("pull", "--list", "tiny", code=2)
        self.assertIn("--from", self.pull("--list", "--from", "anywhere", code=2).stderr)


class Names(PullCase):

    def test_the_model_is_loaded_by_name_once_it_is_there(self):
        self.catalogue(preset={"mean": [0.4, 0.5, 0.6], "labels": "names.txt"})
        (self.folder / "names.txt").write_text("".join("kind %d\n" % i for i in range(10)))
        path = self.image("a.png", 0)
        for command in (("classify", "--model", "tiny", path), ("bench", "--model", "tiny.first")):
            self.assertIn("residua pull tiny", self.run_tool(*command, code=3).stderr)
        self.pull()
        found = self.run_tool("classify", "--json", "--model", "tiny", path).stdout
        self.assertEqual(json.loads(found)["top"][0]["label"][:5], "kind ")
        (self.folder / "by-hand.safetensors").write_bytes(WEIGHTS)
        (self.folder / "by-hand.safetensors.json").write_text(
            json.dumps({"mean": [0.4, 0.5, 0.6], "labels": ["kind %d" % i for i in range(10)]}))
        self.assertEqual(self.run_tool("classify", "--json", "--model", "by-hand.safetensors", path).stdout, found)
        self.assertNotEqual(self.run_tool("classify", "--json", path).stdout, found)
        self.run_tool("inspect", "--model", "tiny")
        self.run_tool("bench", "--model", "tiny", "--seconds", "0.05")
        (self.folder / "labels.txt").write_text("".join("own %d\n" % i for i in range(10)))
        own = self.run_tool("classify", "--json", "--model", "tiny", "--labels", "labels.txt", path).stdout
        self.assertEqual(json.loads(own)["top"][0]["label"][:4], "own ")
        # A file of that name comes first, a folder does not.
        (self.folder / "tiny").mkdir()
        self.assertEqual(self.run_tool("classify", "--json", "--model", "tiny", path).stdout, found)
        (self.folder / "tiny").rmdir()
        (self.folder / "tiny").write_bytes(b"no model")
        self.run_tool("classify", "--model", "tiny", path, code=3)

    def test_published_names(self):
        path = self.image("a.png", 0)
        for command in (("classify", "--model", "resnet50", path), ("inspect", "--model", "resnet50.imagenet1k_v1"),
                        ("pack", "--model", "resnet18.a1_in1k", "--output", "w.residua")):
            process = self.run_tool(*command, code=3)
            self.assertIn("residua pull " + command[2], process.stderr)
        # Where nothing has been pulled, these are architectures with random weights, as ever.
        report = json.loads(self.run_tool("bench", "--json", "--model", "resnet18", "--image-size", "32", "--seconds",
                                          "0.05").stdout)
        self.assertEqual(report["model"], "resnet18")
        self.assertIn("residua pull --list", self.run_tool("bench", "--model", "resnet51", code=3).stderr)

    def test_the_list(self):
        lines = self.pull("--list").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["name", "short", "MB", "top-1", "here"])
        self.assertEqual(lines[1].split(), ["tiny.first", "tiny"])
        self.pull()
        self.assertEqual(self.pull("--list").stdout.splitlines()[1].split(), ["tiny.first", "tiny", "yes"])
        row, = [line.split() for line in lines if line.startswith("resnet50.imagenet1k_v2 ")]
        self.assertEqual(row, ["resnet50.imagenet1k_v2", "resnet50", "102.5", "80.9", "%"])

    def test_what_comes_with_residua(self):
        table = json.loads((ROOT / "models/weights.json").read_text())["weights"]
        names = [name for entry in table for name in (entry["name"], entry.get("alias")) if name]
        self.assertEqual(len(names), len(set(names)))
        for entry in table:
            self.assertTrue(entry["url"].startswith("https://"), entry)
            self.assertIn("-%s." % entry["sha256"], entry["url"])
            self.assertEqual(set(entry["preset"]), {"input_size", "resize", "interpolation", "mean", "std", "labels"})
        resize = {entry["name"]: entry["preset"]["resize"] for entry in table}
        self.assertEqual((resize["resnet50.imagenet1k_v1"], resize["resnet50.imagenet1k_v2"]), (256, 232))
        self.assertEqual(len((ROOT / "models/imagenet1k.txt").read_text().splitlines()), 1000)


class Catalogue(PullCase):

    def test_entries_that_make_no_sense_are_named(self):
        for changes, message in (({"name": None}, '"name" is missing, expected a text'), ({"name": 3}, '"name" is 3'),
                                 ({"url": "ftp://x/y"}, '"url" is "ftp://x/y", expected https://'),
                                 ({"url": "http://x/"}, "an address that ends in a file's name"),
                                 ({"url": "http://x/.."}, "an address that ends in a file's name"),
                                 ({"url": "http://x/y?z=1"}, "an address that ends in a file's name"),
                                 ({"sha256": "abc"}, '"sha256" is "abc", expected 8 to 64 hexadecimal digits'),
                                 ({"sha256": "ghijklmn"}, "hexadecimal"), ({"sha256": "0" * 65}, "hexadecimal"),
                                 ({"preset": []}, '"preset" is []'), ({"megabytes": "9"}, '"megabytes" is "9"'),
                                 ({"preset": {"labels": "gone.txt"}}, "gone.txt: no such file")):
            self.catalogue(**changes)
            process = self.pull(code=3)
            if "gone.txt" not in message:
                self.assertIn("catalogue.json: entry 1", process.stderr)
            self.assertIn(message, process.stderr)
        for text, message in (("{", "no JSON"), ("[]", 'a list "weights" expected'), ('{"weights": 1}', "expected"),
                              ('{"weights": ["x"]}', "an object expected")):
            (self.folder / "catalogue.json").write_text(text)
            self.assertIn(message, self.pull(code=3).stderr)
        process = self.pull("--catalogue", "gone.json", "tiny", code=3)
        self.assertIn("gone.json: no such file", process.stderr)


if __name__ == "__main__":
    unittest.main()
