#!/usr/bin/env python3
"""Compares src/flat with the official flatc, in both directions, for every schema.

    flatc.py FLATC FLATJSON FLATGEN SOURCE_DIR [SEED]

Samples: JSON -> flatc's buffer -> our verifier and JSON; and JSON -> our buffer -> flatc's JSON. Random buffers of our
builder: flatc's JSON against ours; our JSON -> flatc's buffer -> our JSON again, which must be the same to the digit.
The seed of the random buffers is printed; give it to repeat a run.
SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROUNDS = 25
ROOTS = {
    "arrow": [None, "org.apache.arrow.flatbuf.Footer"],
    "exec": [None], "flow": [None], "program": [None], "sample": [None], "state": [None], "table": [None], "types": [None],
    "values": [None], "writer": [None],
}
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|-?\b(?:nan|inf)\b')


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit("failed: %s\n%s" % (" ".join(map(str, command)), done.stdout.decode("utf-8", "replace")))
    return done.stdout.decode("utf-8")


def load(text):
    """JSON as flatc or we write it, with nan and inf as our strings."""
    quoted = TOKEN.sub(lambda m: m.group(0) if m.group(0)[0] == '"' else '"%s"' % m.group(0), text)
    return json.loads(quoted)


def difference(ours, theirs, where="$"):
    """None when both mean the same; floats may differ by the digits flatc does not write."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if set(ours) != set(theirs):
            return "%s: fields %s" % (where, sorted(set(ours) ^ set(theirs)))
        pairs = [(ours[k], theirs[k], "%s.%s" % (where, k)) for k in ours]
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return "%s: %d elements and %d" % (where, len(ours), len(theirs))
        pairs = [(a, b, "%s[%d]" % (where, i)) for i, (a, b) in enumerate(zip(ours, theirs))]
    elif isinstance(ours, float) or isinstance(theirs, float):
        if isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
            if math.isclose(ours, theirs, rel_tol=1e-5, abs_tol=1e-6):
                return None
        return "%s: %r and %r" % (where, ours, theirs)
    else:
        same = type(ours) is type(theirs) and ours == theirs
        return None if same else "%s: %r and %r" % (where, ours, theirs)
    for a, b, at in pairs:
        found = difference(a, b, at)
        if found:
            return found
    return None


class Checker:
    def __init__(self, flatc, flatjson, source, folder):
        self.flatc, self.flatjson, self.folder = flatc, flatjson, folder
        self.source = pathlib.Path(source)
        self.count = 0

    def schema(self, name):
        base = self.source / ("tests/flat" if name == "sample" else "schema")
        return base / (name + ".fbs")

    def spec(self, name, root):
        return "%s:%s" % (name, root) if root else name

    def flatc_json(self, name, root, files):
        """What flatc makes of buffers, by file."""
        out = self.folder / "flatc_json"
        rooted = ["--root-type", root] if root else []
        run(self.flatc, "--json", "--strict-json", "--defaults-json", "--raw-binary", *rooted, "-o", out, self.schema(name),
            "--", *files)
        return [load((out / (f.stem + ".json")).read_text("utf-8")) for f in files]

    def flatc_binary(self, name, root, files):
        out = self.folder / "flatc_binary"
        rooted = ["--root-type", root] if root else []
        run(self.flatc, "--binary", *rooted, "-o", out, self.schema(name), *files)
        made = {f.stem: f for f in out.iterdir()}
        return [made[f.stem] for f in files]

    def our_json(self, name, root, path):
        return run(self.flatjson, "json", self.spec(name, root), path)

    def same(self, what, ours, theirs):
        self.count += 1
        found = difference(ours, theirs)
        if found:
            sys.exit("%s: ours and flatc's differ at %s" % (what, found))

    def check_sample(self, name):
        sample = self.source / "tests/flat/data" / (name + ".json")
        theirs = self.flatc_binary(name, None, [sample])[0]
        ours = self.folder / (name + "_ours.bin")
        run(self.flatjson, "binary", name, sample, ours)
        expected = load(self.our_json(name, None, theirs))
        self.same(name + ": JSON by flatc and back by us", load(self.our_json(name, None, ours)), expected)
        self.same(name + ": flatc's buffer", expected, self.flatc_json(name, None, [theirs])[0])
        self.same(name + ": our buffer", expected, self.flatc_json(name, None, [ours])[0])
        self.contains(name, load(sample.read_text("utf-8")), expected)  # what it says has arrived

    def contains(self, what, said, found):
        """Every member that the sample says is in what was read back."""
        for key, value in said.items():
            if isinstance(value, dict):
                self.contains("%s.%s" % (what, key), value, found[key])
            elif not isinstance(value, list) or not value or not isinstance(value[0], dict):
                self.same("%s.%s" % (what, key), found[key], value)

    def check_random(self, name, root, seed):
        files = []
        for i in range(ROUNDS):
            files.append(self.folder / ("random_%s_%d.bin" % (name, i)))
            run(self.flatjson, "random", self.spec(name, root), str(seed + i), files[-1])
        texts = [self.our_json(name, root, f) for f in files]
        sources = []
        for f, text in zip(files, texts):
            sources.append(f.with_suffix(".json"))
            sources[-1].write_text(text, "utf-8")
        for f, text, theirs in zip(files, texts, self.flatc_json(name, root, files)):
            self.same("%s: random buffer %s" % (name, f.name), load(text), theirs)
        for f, text, theirs in zip(files, texts, self.flatc_binary(name, root, sources)):
            self.count += 1
            if self.our_json(name, root, theirs) != text:
                sys.exit("%s: %s: flatc's reading of our JSON is another" % (name, f.name))
        for f, text, source in zip(files, texts, sources):
            self.count += 1
            back = f.with_suffix(".back")
            run(self.flatjson, "binary", self.spec(name, root), source, back)
            if self.our_json(name, root, back) != text:
                sys.exit("%s: %s: our reading of our JSON is another" % (name, f.name))


REFUSED = {
    "vectors of unions are not supported": "table T { x:int; } union U { T } table R { us:[U]; } root_type R;",
    "only tables can be members": "struct S { x:int; } union U { S } table R { u:U; } root_type R;",
    "has a name that is taken": "table R { a:[int]; a_len:int; } root_type R;",
    "alignments above 8 are not supported": "struct S (force_align: 16) { x:int; } table R { s:S; } root_type R;",
}


def check_flatgen(flatc, flatgen, folder):
    """What flatgen does not support it refuses by name, and bytes that are no .bfbs as well."""
    outputs = [folder / "bad_flat.h", folder / "bad_flat.c"]

    def refused(path, message):
        done = subprocess.run([flatgen, "bad", path, *outputs], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.stdout.decode("utf-8")
        if done.returncode != 1 or message not in text:
            sys.exit("flatgen should have said %r, but: %d %s" % (message, done.returncode, text))

    for message, schema in REFUSED.items():
        (folder / "bad.fbs").write_text(schema)
        run(flatc, "--binary", "--schema", "--no-warnings", "-o", folder, folder / "bad.fbs")
        refused(folder / "bad.bfbs", message)
    whole = (folder / "bad.bfbs").read_bytes()
    for length in range(0, len(whole) - 8, 3):
        (folder / "cut.bfbs").write_bytes(whole[:length])
        refused(folder / "cut.bfbs", "reflection buffer")


def main():
    flatc, flatjson, flatgen, source = sys.argv[1:5]
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.randrange(1 << 30)
    print("seed", seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "flatc_json").mkdir()
        (folder / "flatc_binary").mkdir()
        check_flatgen(flatc, flatgen, folder)
        checker = Checker(flatc, flatjson, source, folder)
        for name, roots in ROOTS.items():
            checker.check_sample(name)
            for root in roots:
                checker.check_random(name, root, seed)
        known = {p.stem for p in (pathlib.Path(source) / "schema").glob("*.fbs")}
        if known - set(ROOTS):
            sys.exit("no comparison for the schemas %s" % sorted(known - set(ROOTS)))
        print(checker.count, "comparisons, all the same")


main()
