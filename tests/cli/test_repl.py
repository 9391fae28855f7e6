#!/usr/bin/env python3
# test_repl.py - theta repl: piped input, and a person at a terminal (a pseudo-terminal).
# SPDX-License-Identifier: Apache-2.0
import os
import pty
import select
import signal
import subprocess
import time
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402


class Piped(common.Command):
    def repl(self, *lines, options=()):
        return self.theta("repl", *options, stdin="".join(line + "\n" for line in lines))

    def test_values_are_printed_and_stay_bound(self):
        self.check(self.repl("x = 5", "x + 1", "it * 2", "'text'", "s = [x, 7]", "s[1]"), 0, "6\n12\n'text'\n7\n")

    def test_definitions_over_several_lines(self):
        self.check(self.repl("i64 sq(i64 n) {", "    return n * n", "}", "sq(12)", "f = (n<i64>) ->", "  n + 1", "f(1)"), 0, "144\n2\n")

    def test_structs_and_fields(self):
        self.check(self.repl("struct P { a<i64> b<i64> }", "p = @P { a: 1, b: 2 }", "p.a + p.b"), 0, "3\n")

    def test_taking_apart_and_changing(self):
        self.check(self.repl("[a, b] = [1, 2]", "a + b", "a += 10", "a", "b++", "b"), 0, "3\n11\n3\n")

    def test_redefinition(self):
        self.check(self.repl("i64 f(i64 n) { return n }", "i64 f(i64 n) { return n + 1 }", "f(1)", "x = 1", "x = 'now text'", "x"),
                   0, "2\n'now text'\n")

    def test_overloads_live_side_by_side(self):
        self.check(self.repl("i64 f(i64 n) { return 1 }", "i64 f(String s) { return 2 }", "i64 f(i64 n) { return 3 }",
                             "f(0)", "f('a')"), 0, "3\n2\n")

    def test_errors_do_not_lose_the_session(self):
        result = self.repl("x = 1", "y = x + z", "[1][x]", "x", "1 +")
        self.check(result, 1, "1\n", ["input:2:9: error: reference error", "    2 | y = x + z\n",
                                      "input:3:1: error: index out of range", "input:5:"])

    def test_places_in_earlier_definitions(self):
        self.check(self.repl("", "i64 f(i64 n) {", "  return [1][n]", "}", "", "f(3)"), 1, "",
                   ["input:3:10: error: index", "    3 |   return [1][n]\n", "  at f (input:3:10)\n"])

    def test_what_no_longer_fits_is_forgotten_with_a_word(self):
        self.check(self.repl("x = 1", "i64 f() { return x }", "x = 'a'", "2 + 2", "f()"), 1, "4\n",
                   ["`f` fits no more", "`f` is not defined"])

    def test_commands(self):
        self.check(self.repl(":type [1, 2]", "x = 3", ":type x", ":help"), 0)
        self.assertEqual(self.repl(":type [1, 2]", "x = 3", ":type x").output, "List<i64>\ni64\n")
        self.check(self.repl("x = 3", ":reset", "x"), 1, "", "`x` is not defined")
        self.check(self.repl(":quit", "1"), 0, "")
        self.assertRegex(self.check(self.repl(":time 1 + 1")).output, r"^2\n\d+\.\d+ ms\n$")
        self.check(self.repl(":tipe 1 + 1", "2"), 1, "2\n", "did you mean :type?")
        self.check(self.repl(":type", "2"), 1, "2\n", ":type wants EXPR")
        self.check(self.repl(":symbol"), 0, ":symbol\n")

    def test_load(self):
        self.write("lib.theta", "i64 twice(i64 n) { return n * 2 }\nbase = 20\n")
        self.check(self.repl(":load lib.theta", "twice(base)"), 0, "40\n")
        self.check(self.repl(":load none.theta", "1"), 1, "1\n", "cannot read 'none.theta'")

    def test_tables(self):
        self.write("t.csv", "a,b\n1,x\n2,y\n")
        result = self.check(self.repl("t = Csv.read('t.csv')", "t => where(a > 1)", ":explain t => where(a > 1)"))
        self.assertIn("y", result.output)
        self.assertIn("t.csv", result.output)
        self.check(self.repl("t = Csv.read('t.csv')", "t => where(a > 1)", options=("--format", "csv")), 0, "a,b\n2,y\n")

    def test_each_input_has_the_whole_fuel(self):
        loop = "for (i in range(0, 1000)) { }"
        self.check(self.repl(*[loop] * 20, "1", options=("--fuel", "20000")), 0, "1\n")
        self.check(self.repl("while (true) { }", "1", "while (true) { }", "2", options=("--fuel", "20000")), 1, "1\n2\n", "fuel")

    def test_many_inputs(self):
        lines = [f"x{i} = {i}" for i in range(300)] + ["x299 + x0"]
        self.check(self.repl(*lines), 0, "299\n")

    def test_bytes_that_are_no_text(self):
        result = subprocess.run([common.OPTIONS.theta, "repl"], input=b"\xff\xfe\n'\x00'\n1 + 1\n", cwd=self.root,
                                env=self.environment(), capture_output=True, timeout=60)
        self.assertEqual((result.returncode, result.stdout.splitlines()[-1:]), (1, [b"2"]), result.stderr)


class Terminal(common.Command):
    """A person's terminal; only when the command edits lines at all does completion answer."""

    def setUp(self):
        super().setUp()
        self.master, slave = pty.openpty()
        env = self.environment(TERM="xterm", HOME=str(self.root))
        env["THETA_HISTORY"] = str(self.root / "deep" / "folder" / "history")
        self.process = subprocess.Popen([common.OPTIONS.theta, "repl"], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        cwd=self.root, preexec_fn=self.own_terminal)
        os.close(slave)
        self.addCleanup(os.close, self.master)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.seen = ""
        self.wait_for("theta> ")

    @staticmethod
    def own_terminal():
        import fcntl
        import termios
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def wait_for(self, text, timeout=20):
        until = time.monotonic() + timeout
        while text not in self.seen:
            ready = select.select([self.master], [], [], max(0, until - time.monotonic()))[0]
            if not ready:
                self.fail(f"waited for {text!r}, saw {self.seen!r}")
            try:
                self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
            except OSError:
                self.fail(f"ended before {text!r}, saw {self.seen!r}")
        before, self.seen = self.seen.split(text, 1)
        return before

    def send(self, text):
        os.write(self.master, text.encode())

    def leave(self):
        for _ in range(40):  # the key means the end of input only while a line is being read
            self.send("\x04")
            try:
                self.assertEqual(self.process.wait(timeout=0.5), 0)
                return
            except subprocess.TimeoutExpired:
                pass
        self.fail("Ctrl-D does not leave")

    def test_prompts_values_and_history_file(self):
        self.send("20 + 22\n")
        self.wait_for("42")
        self.wait_for("theta> ")
        self.send("i64 f(i64 n) {\n")
        self.wait_for("... ")
        self.send("return n }\n")
        self.wait_for("theta> ")
        self.leave()
        history = (self.root / "deep" / "folder" / "history").read_text()
        self.assertIn("20", history)

    def test_interrupt_clears_the_line(self):
        self.send("1 + (")
        time.sleep(0.2)
        self.send("\x03")
        self.wait_for("theta> ")
        self.send("5 * 5\n")
        self.wait_for("25")
        self.wait_for("theta> ")
        self.leave()

    def test_interrupt_drops_an_unfinished_input(self):
        self.send("1 + (\n")
        self.wait_for("... ")
        self.send("\x03")
        self.wait_for("theta> ")
        self.send("6 * 6\n")
        self.wait_for("36")
        self.wait_for("theta> ")
        self.leave()

    def test_interrupt_stops_a_run_and_keeps_the_session(self):
        self.send("x = 7\n")
        self.wait_for("theta> ")
        self.send("while (true) { }\n")
        time.sleep(0.5)
        self.send("\x03")
        self.wait_for("interrupted")
        self.wait_for("theta> ")
        self.send("x * 7\n")
        self.wait_for("49")
        self.wait_for("theta> ")
        self.leave()

    def test_completion(self):
        self.send("longest_name = 8\n")
        self.wait_for("theta> ")
        self.send("longest_\t * 2\n")
        self.wait_for("16")
        self.wait_for("theta> ")
        self.leave()


if __name__ == "__main__":
    common.main()
