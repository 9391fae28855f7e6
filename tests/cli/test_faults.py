#!/usr/bin/env python3
# test_faults.py - what the command writes when the disk is full, or a signal comes between: each system call of a write fails
# in turn. A file is there whole or as it was, and the error says why. tests/support/faulty_io.c stands in for the calls.
# SPDX-License-Identifier: Apache-2.0
import errno
import os
import resource
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

PROGRAM = """capsule P {
    i64 main() {
        i64 sum = 0
        for (i in range(0, 100)) {
            sum += i
            print('line ' + String(i))
        }
        return sum
    }
}
"""
OLD = b"what was there before"
FULL = os.strerror(errno.ENOSPC)


class Faults(common.Command):
    def setUp(self):
        super().setUp()
        if not common.OPTIONS.faults:
            self.skipTest("no --faults")
        self.write("p.theta", PROGRAM)
        self.write("t.csv", "id,name\n" + "".join(f"{i},name {i % 7}\n" for i in range(3000)))
        self.check(self.theta("build", "p.theta", "-o", "p.thb"))
        self.write("p.tha", self.check(self.theta("dis", "p.thb")).output)

    def faulty(self, *args, change=0, read=0, error=errno.ENOSPC, most=0, interrupted=0, **more):
        env = dict(LD_PRELOAD=common.OPTIONS.faults, FAULTY_IO=f"{change} {read} {error} {most} {interrupted}")
        if common.OPTIONS.slow:  # gcc's runtime wants to come first; it need not
            env["ASAN_OPTIONS"] = self.environment()["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        return self.theta(*args, **env, **more)

    def listing(self):
        return sorted(os.listdir(self.root))

    def break_each_call(self, *args, status=0, most=4000):
        """`args` write the file `out`, which first is not there, then is."""
        for there in (False, True):
            for change in range(1, 1000):
                out = self.root / "out"
                out.unlink(missing_ok=True)
                if there:
                    out.write_bytes(OLD)
                before = self.listing()
                result = self.faulty(*args, change=change, most=most)
                if result.status == status:
                    self.assertGreater(change, 2, "to write, to close, to put in place")
                    self.assertIn("out", self.listing())
                    self.assertNotEqual(out.read_bytes(), OLD)
                    break
                self.check(result, 1, None, ["out", FULL])
                self.assertEqual(self.listing(), before, f"call {change} refused")
                if there:
                    self.assertEqual(out.read_bytes(), OLD, f"call {change} refused")
            else:
                self.fail("it never succeeds")

    def test_bytecode(self):
        self.break_each_call("build", "p.theta", "-o", "out", most=400)
        self.break_each_call("asm", "p.tha", "-o", "out", most=400)

    def test_documentation(self):
        self.break_each_call("doc", "-o", "out", most=20000)

    def test_saved_state(self):
        self.write("quiet.theta", "capsule Q { void main() { while (true) { } } }")
        self.break_each_call("run", "--fuel", "1000", "--save", "out", "quiet.theta", status=3, most=400)

    def test_a_state_that_cannot_be_replaced_goes_on_from_where_it_was(self):
        self.write("quiet.theta", "capsule Q { i64 main() { i64 n = 0; for (i in 0..100000) { n += i }; return n } }")
        self.check(self.theta("run", "--fuel", "1000", "--save", "s", "quiet.theta"), 3, "", "out of fuel")
        for change in (1, 2, 3):
            self.check(self.faulty("resume", "s", "--fuel", "1000", "--save", "s", change=change), 1, "", FULL)
        self.check(self.theta("resume", "s"), 0, "4999950000\n")

    def test_tables(self):
        for verb in ("Csv.write", "Json.write", "Arrow.write"):
            self.break_each_call("query", f"t.csv => {verb}('out')", most=20000)

    def test_short_and_interrupted_writes_change_nothing(self):
        for args in (("build", "p.theta", "-o", "out"), ("asm", "p.tha", "-o", "out"), ("doc", "-o", "out"),
                     ("query", "t.csv => Arrow.write('out')")):
            self.check(self.theta(*args))
            want = (self.root / "out").read_bytes()
            for most, interrupted in ((0, 1), (7, 0), (1, 1)):
                (self.root / "out").unlink()
                self.check(self.faulty(*args, most=most, interrupted=interrupted))
                self.assertEqual((self.root / "out").read_bytes(), want)

    def test_short_and_interrupted_output_and_input(self):
        for args, stdin in ((("run", "p.theta"), ""), (("query", "--format", "json", "t.csv"), ""), (("dis", "p.thb"), ""),
                            (("query", "- => where(a > 1)"), "a\n1\n2\n3\n"), (("run", "-"), PROGRAM)):
            want = self.check(self.theta(*args, stdin=stdin)).output
            for most, interrupted in ((0, 1), (7, 0), (1, 1)):
                result = self.faulty(*args, stdin=stdin, most=most, interrupted=interrupted)
                self.assertEqual(self.check(result).output, want, args)

    def test_output_that_cannot_be_written(self):
        for args in (("run", "p.theta"), ("eval", "42"), ("query", "t.csv"), ("dis", "p.thb"), ("doc",)):
            result = self.faulty(*args, change=1)
            self.check(result, 1, "", ["standard output", FULL])

    def test_failing_reads_are_told(self):
        for args, name in ((("run", "p.theta"), "p.theta"), (("run", "p.thb"), "p.thb"), (("query", "t.csv"), "t.csv"),
                           (("asm", "p.tha", "-o", "out"), "p.tha"), (("check", "p.theta"), "p.theta")):
            result = self.faulty(*args, read=1, error=errno.EIO)
            self.check(result, 1, "", [name, os.strerror(errno.EIO)])
            self.assertNotIn("out", self.listing())


class SmallFiles(common.Command):
    """The same by the kernel's hand: files may not grow beyond some bytes."""

    def limited(self, *args, stdin=b"", limit=0):
        def prepare():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = subprocess.run([common.OPTIONS.theta, *args], cwd=self.root, env=self.environment(), input=stdin,
                              capture_output=True, timeout=60, preexec_fn=prepare, restore_signals=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_a_file_that_may_not_grow(self):
        self.write("p.theta", PROGRAM)
        for limit in (0, 1, 100):
            status, _, errors = self.limited("build", "p.theta", "-o", "out.thb", limit=limit)
            self.assertEqual(status, 1, errors)
            self.assertIn(os.strerror(errno.EFBIG), errors)
            self.assertEqual(os.listdir(self.root), ["p.theta"])

    def test_input_that_cannot_be_kept(self):
        status, output, errors = self.limited("query", "- => where(a > 1)", stdin=b"a\n1\n2\n3\n", limit=3)
        self.assertNotEqual(status, 0, errors)
        self.assertEqual(output, "")
        self.assertIn("standard input cannot be kept: " + os.strerror(errno.EFBIG), errors)


if __name__ == "__main__":
    common.main()
