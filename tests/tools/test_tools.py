#!/usr/bin/env python3
# test_tools.py - the test tools themselves: that they see what they are there to see. Needs no theta command.
# SPDX-License-Identifier: Apache-2.0
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
sys.dont_write_bytecode = True


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


layers, docs = load("check-layers"), load("check-docs")

# A stand-in for the command: `fake run [FLAG...] FILE ARG...` runs FILE as a shell script.
FAKE = """#!/bin/sh
shift
while [ "${1#-}" != "$1" ]; do shift; done
file=$1
shift
exec sh "$file" "$@"
"""


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="theta-tools-")
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.fake = self.root / "fake"
        self.fake.write_text(FAKE)
        self.fake.chmod(0o755)

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Layers(Scratch):
    def refused(self, path, include):
        self.write("src/base/base.h", "")
        self.write("src/machine/machine.h", "")
        self.write("src/lang/theta/lang.h", "")
        self.write("src/lang/nix/lang.h", "")
        self.write(path, f"#include {include}\n")
        return layers.check(self.root)[0]

    def test_rooms_above_and_own_room_are_allowed(self):
        self.assertEqual(self.refused("src/flow/a.c", '"machine/machine.h"'), [])
        self.assertEqual(self.refused("src/machine/a.c", '"machine/machine.h"'), [])
        self.assertEqual(self.refused("src/machine/a.c", '"machine.h"'), [])
        self.assertEqual(self.refused("src/lang/theta/a.c", '"lang.h"'), [])
        self.assertEqual(self.refused("src/cli/a.c", '"theta.h"'), [])

    def test_a_room_below_is_refused(self):
        self.assertEqual(len(self.refused("src/table/a.c", '"machine/machine.h"')), 1)

    def test_a_language_in_another_is_refused(self):
        self.assertEqual(len(self.refused("src/lang/theta/a.c", '"lang/nix/lang.h"')), 1)

    def test_libraries_outside_their_room_are_refused(self):
        for path, header in [("src/machine/a.c", "<lmdb.h>"), ("src/table/a.c", "<sodium.h>"), ("src/api/a.c", "<histedit.h>"),
                             ("src/flow/a.c", '"theta.h"'), ("src/machine/object.c", "<utf8proc.h>")]:
            self.assertEqual(len(self.refused(path, header)), 1, header)
            (self.root / path).unlink()
        self.assertEqual(self.refused("src/machine/lib_string.c", "<utf8proc.h>"), [])

    def test_parent_paths_and_strays_are_refused(self):
        self.assertEqual(len(self.refused("src/flow/a.c", '"../machine/machine.h"')), 1)
        self.assertEqual(len(self.refused("src/stray.c", "<stdio.h>")), 2)


class Golden(Scratch):
    def golden(self, text, *more, name="t/a.theta"):
        path = self.write(name, text)
        argv = [sys.executable, TOOLS / "run-golden", "--theta", self.fake, "--timeout", "2", *more, path.parent]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def test_equal_output_passes(self):
        self.assertEqual(self.golden("echo one\necho\n# expect: one\n# expect:\n").returncode, 0)

    def test_other_missing_and_more_output_fail_with_a_diff(self):
        done = self.golden("echo two\n# expect: one\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-one", done.stdout)
        self.assertIn("+two", done.stdout)
        self.assertEqual(self.golden("# expect: one\n").returncode, 1)
        self.assertEqual(self.golden("echo one; echo two\n# expect: one\n").returncode, 1)

    def test_error_needs_text_and_status(self):
        self.assertEqual(self.golden("echo 'a bad thing' >&2; exit 1\n# expect-error: bad\n").returncode, 0)
        self.assertEqual(self.golden("echo 'a bad thing' >&2\n# expect-error: bad\n").returncode, 1)
        self.assertEqual(self.golden("exit 1\n# expect-error: bad\n").returncode, 1)
        self.assertEqual(self.golden("echo b >&2; echo a >&2; exit 1\n# expect-error: a\n# expect-error: b\n").returncode, 1)

    def test_status(self):
        self.assertEqual(self.golden("exit 3\n# expect-status: 3\n").returncode, 0)
        self.assertEqual(self.golden("exit 1\n# expect-status: 3\n").returncode, 1)
        self.assertEqual(self.golden("echo x; exit 1\n# expect: x\n").returncode, 1)

    def test_args_flags_stdin(self):
        text = 'read line; echo "$1 $2 $line"\n# flags: --fuel=3\n# args: "a b" c\n# stdin: hello\n# expect: a b c hello\n'
        self.assertEqual(self.golden(text).returncode, 0)

    def test_crash_timeout_and_sanitizer_fail_whatever_is_expected(self):
        self.assertIn("SIGSEGV", self.golden("kill -SEGV $$\n# expect-status: -11\n").stdout)
        self.assertIn("still running", self.golden("sleep 30\n# expect-status: -9\n").stdout)
        text = "echo 'ERROR: AddressSanitizer: x' >&2; exit 1\n# expect-error: x\n"
        self.assertIn("sanitizer", self.golden(text).stdout)

    def test_nothing_expected_or_nothing_run_fails(self):
        self.assertEqual(self.golden("echo one\n").returncode, 1)
        self.assertEqual(self.golden("# helper: linked by b.theta\n").returncode, 1)
        self.assertEqual(self.golden("# expect-status: x\n").returncode, 1)


class Documents(Scratch):
    def document(self, text):
        path = self.write("d.md", text)
        argv = [sys.executable, TOOLS / "check-docs", "--theta", self.fake, path]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def test_blocks_with_output_are_run(self):
        done = self.document("```theta\necho hi\n```\n\n```output\nhi\n```\n")
        self.assertEqual((done.returncode, done.stdout), (0, "1 examples passed, 0 failed\n"))
        self.assertEqual(self.document("```theta\necho hi\n```\n```output\nho\n```\n").returncode, 1)

    def test_blocks_without_are_not(self):
        self.assertIn("0 examples passed", self.document("```theta\nfalse\n```\n\nText\n\n```sh\nfalse\n```\n").stdout)
        self.assertIn("0 examples passed", self.document("```theta\nfalse\n```\n\nText\n\n```text\nx\n```\n").stdout)

    def test_marked_shell_sees_named_programs(self):
        text = "```theta a.theta\necho hi\n```\n<!-- run -->\n```sh\n$ fake run a.theta\n```\n```output\nhi\n```\n"
        self.assertIn("1 examples passed, 0 failed", self.document(text).stdout)

    def test_expectations_inside(self):
        self.assertEqual(self.document("```theta\necho hi # expect: hi\n```\n").returncode, 0)
        self.assertEqual(self.document("```theta\necho hi # expect: ho\n```\n").returncode, 1)

    def test_three_dots_stand_for_any_lines(self):
        self.assertTrue(docs.matches(["a", "...", "z"], ["a", "z"]))
        self.assertTrue(docs.matches(["a", "...", "z"], ["a", "b", "z", "z"]))
        self.assertFalse(docs.matches(["a", "...", "z"], ["a", "b"]))
        self.assertFalse(docs.matches(["a"], ["a", "b"]))


if __name__ == "__main__":
    unittest.main(verbosity=0)
