#!/usr/bin/env python3
# test_build.py - check, build, asm, dis, inspect, doc.
# SPDX-License-Identifier: Apache-2.0
import os
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

PROGRAM = """capsule P {
    i64 gcd(i64 a, i64 b) {
        while (b != 0) { i64 t = a % b; a = b; b = t; }
        return a;
    }
    String main() {
        return 'gcd ' + String(gcd(12, 18));
    }
}
"""


class Building(common.Command):
    def setUp(self):
        super().setUp()
        self.write("p.theta", PROGRAM)
        self.expected = self.theta("run", "p.theta").output
        self.assertEqual(self.expected, "gcd 6\n")

    def test_check_is_silent_about_good_files(self):
        self.check(self.theta("check", "p.theta"), 0, "")
        self.check(self.theta("check", "--parse-only", "p.theta"), 0, "")

    def test_check_runs_nothing(self):
        self.write("loop.theta", common.LOOP)
        self.check(self.theta("check", "loop.theta"), 0, "")

    def test_check_tells_of_every_file(self):
        self.write("a.theta", "capsule A { i64 main() { return 'a' } }")
        self.write("b.theta", "capsule B { i64 main( }")
        self.check(self.theta("check", "a.theta", "p.theta", "b.theta"), 1, "", ["a.theta:1:33: error", "b.theta:1:"])
        self.check(self.theta("check", "--parse-only", "a.theta"), 0, "")
        self.check(self.theta("check", "--parse-only", "b.theta"), 1, "", "b.theta:1:")

    def test_build_then_run(self):
        self.check(self.theta("build", "p.theta"), 0, "")
        self.check(self.theta("run", "p.thb"), 0, self.expected)
        self.check(self.theta("build", "p.theta", "-o", "sub.thb"), 0, "")
        self.check(self.theta("run", "sub.thb"), 0, self.expected)

    def test_builds_are_the_same_to_the_byte(self):
        self.check(self.theta("build", "p.theta", "-o", "a.thb"))
        self.check(self.theta("build", "p.theta", "-o", "b.thb"))
        self.assertEqual((self.root / "a.thb").read_bytes(), (self.root / "b.thb").read_bytes())

    def test_failed_build_leaves_the_old_file(self):
        self.write("p.thb", "old")
        self.write("bad.theta", "capsule A { i64 main() { return 'a' } }")
        self.check(self.theta("build", "bad.theta", "-o", "p.thb"), 1, "", "bad.theta:1:33: error")
        self.assertEqual((self.root / "p.thb").read_text(), "old")
        self.assertEqual(sorted(os.listdir(self.root)), ["bad.theta", "p.thb", "p.theta"])

    def test_outputs_that_cannot_be_written(self):
        self.check(self.theta("build", "p.theta", "-o", "none/p.thb"), 1, "", "cannot write 'none/p.thb'")
        self.check(self.theta("build", "p.theta", "-o", "/dev/full"), 1, "", "No space left")

    def test_disassembly_assembles_to_the_same_program(self):
        self.check(self.theta("build", "p.theta"))
        text = self.check(self.theta("dis", "p.thb")).output
        self.assertIn("func P.gcd", text)
        self.assertEqual(self.check(self.theta("dis", "p.theta")).output, text)
        self.write("p.tha", text)
        self.check(self.theta("asm", "p.tha", "-o", "again.thb"), 0, "")
        self.check(self.theta("run", "again.thb"), 0, self.expected)
        self.check(self.theta("run", "p.tha"), 0, self.expected)
        self.assertEqual(self.check(self.theta("dis", "again.thb")).output, text)

    def test_assembly_errors_have_a_place(self):
        self.write("bad.tha", "program 'a'\nfunc A.main() -> i64 {\n    nonsense r1\n}\n")
        self.check(self.theta("asm", "bad.tha", "-o", "x.thb"), 1, "", ["bad.tha:3:", "    3 |     nonsense r1"])
        self.assertFalse((self.root / "x.thb").exists())

    def test_damaged_bytecode_is_refused(self):
        self.check(self.theta("build", "p.theta"))
        good = (self.root / "p.thb").read_bytes()
        for cut in range(0, len(good), max(1, len(good) // 40)):
            self.write("cut.thb", good[:cut])
            self.check(self.theta("run", "cut.thb"), 1, "")
        step = max(1, len(good) // (20 if common.OPTIONS.slow else 120))
        for at in range(0, len(good), step):
            self.write("bent.thb", good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1:])
            self.theta("run", "--fuel", "100000", "--memory", "64M", "bent.thb")


class Inspecting(common.Command):
    def test_program(self):
        self.write("p.theta", PROGRAM)
        self.check(self.theta("build", "p.theta"))
        text = self.check(self.theta("inspect", "p.thb")).output
        self.assertRegex(text, r"^p\.thb: a program of \d+ bytes, \d+ functions, \d+ words of code\n")
        self.assertIn("  gcd  Function<i64, i64, i64>\n", text)
        self.assertRegex(text, r"(?m)^  P\.gcd  Function<i64, i64, i64>  \d+ words, \d+ registers$")
        self.assertRegex(text, r"(?m)^imports$")

    def test_other_files(self):
        self.write("x.txt", "hello")
        self.check(self.theta("inspect", "x.txt"), 1, "", "neither")
        self.check(self.theta("inspect", "none"), 1, "", "cannot read")
        self.write("half.thb", b"\x10\0\0\0THPG\0\0")
        self.check(self.theta("inspect", "half.thb"), 1, "")
        self.write("half.state", b"\x10\0\0\0THST\0\0")
        self.check(self.theta("inspect", "half.state"), 1, "")
        self.write("half.arrow", b"ARROW1\0\0")
        self.check(self.theta("inspect", "half.arrow"), 1, "")

    def test_table(self):
        rows = "a,b\n1,x\n2,\n3,z\n"
        self.write("t.csv", rows)
        with open(self.root / "t.arrow", "wb") as file:
            process = self.start("query", "--format", "arrow", "t.csv", stdout=file)
            self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        text = self.check(self.theta("inspect", "t.arrow")).output
        self.assertRegex(text, r"^t\.arrow: a table of 3 rows in 1 batch, 2 columns\ncolumns\n  a  i64\??\n  b  String\?\n$")
        self.check(self.theta("query", "t.arrow"), 0, rows)


class Documentation(common.Command):
    def test_library_page_is_up_to_date(self):
        text = self.check(self.theta("doc")).output
        self.assertIn("# ", text)
        page = common.ROOT / "docs" / "LIBRARY.md"
        self.assertTrue(page.exists() and page.read_text(encoding="utf-8") == text,
                        "docs/LIBRARY.md is not what the library says: theta doc -o docs/LIBRARY.md")

    def test_output_file(self):
        self.check(self.theta("doc", "-o", "out.md"), 0, "")
        self.assertEqual((self.root / "out.md").read_text(encoding="utf-8"), self.theta("doc").output)


if __name__ == "__main__":
    common.main()
