#!/usr/bin/env python3
# test_run.py - theta run and eval: values, arguments, errors, limits, signals, outputs that fail.
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import time
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

FAILS = """capsule Fails {
    i64 f(i64 n) {
        List<i64> xs = [1, 2, 3];
        return xs[n];
    }
    i64 main() {
        print('before')
        return f(7);
    }
}
"""


class Results(common.Command):
    def run_main(self, body, *options, result="i64", **more):
        self.write("p.theta", f"capsule P {{\n    {result} main() {{\n{body}\n    }}\n}}\n")
        return self.theta("run", *options, "p.theta", **more)

    def test_value_of_main_is_printed(self):
        self.check(self.run_main("return 42"), 0, "42\n")
        self.check(self.run_main("return 'no quotes'", result="String"), 0, "no quotes\n")
        self.check(self.run_main("return ['a', 'b']", result="List<String>"), 0, "['a', 'b']\n")
        self.check(self.run_main("return ['a', 'b']", "--json", result="List<String>"), 0, '["a", "b"]\n')

    def test_void_prints_nothing(self):
        self.check(self.run_main("print('said')", result="void"), 0, "said\n")
        self.check(self.run_main("", result="void"), 0, "")

    def test_prints_come_before_the_value(self):
        self.check(self.run_main("print('said')\nreturn 1"), 0, "said\n1\n")

    def test_main_takes_the_arguments(self):
        self.write("p.theta", "capsule P { List<String> main(List<String> args) { return args } }")
        self.check(self.theta("run", "p.theta"), 0, "[]\n")
        result = self.theta("run", "p.theta", "a", "--fuel", "-x", "--", 'q"\\\n', "é", "--json")
        self.check(result, 0, """['a', '--fuel', '-x', '--', 'q"\\\\\\n', 'é', '--json']\n""")

    def test_argument_that_is_no_text(self):
        self.write("p.theta", "capsule P { List<String> main(List<String> args) { return args } }")
        result = subprocess.run([common.OPTIONS.theta, "run", "p.theta", b"\xff\xfe"], cwd=self.root,
                                env=self.environment(), capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"UTF-8", result.stderr)

    def test_source_on_standard_input(self):
        self.check(self.theta("run", "-", stdin="capsule P { i64 main() { return 7 } }"), 0, "7\n")
        self.check(self.theta("run", "-", stdin="capsule P {\n i64 main() { return x } }"), 1, "", "stdin:2:22: error: ")

    def test_no_main(self):
        self.write("p.theta", "capsule P { i64 f() { return 1 } }")
        self.check(self.theta("run", "p.theta"), 1, "", ["p.theta", "main"])

    def test_empty_file(self):
        self.write("p.theta", "")
        self.check(self.theta("run", "p.theta"), 1, "", "main")


class Errors(common.Command):
    def test_run_time_error_has_place_line_caret_and_trace(self):
        self.write("fails.theta", FAILS)
        self.check(self.theta("run", "fails.theta"), 1, "before\n", [
            "fails.theta:4:16: error: index out of range: index 7 is outside a list of 3 elements\n",
            "    4 |         return xs[n];\n",
            "      |                ^",
            "  at Fails.f (fails.theta:4:16)\n",
            "  at Fails.main (fails.theta:8:16)\n"])

    def test_bytecode_quotes_its_source(self):
        self.write("fails.theta", FAILS)
        self.check(self.theta("build", "fails.theta"))
        os.remove(self.root / "fails.theta")
        self.check(self.theta("run", "fails.thb"), 1, "before\n", "    4 |         return xs[n];\n")

    def test_compile_errors_are_all_told(self):
        self.write("p.theta", "capsule P {\n  i64 f() { return 'a' }\n  i64 main() { return unknown }\n}\n")
        self.check(self.theta("run", "p.theta"), 1, "", ["p.theta:2:20: error: type error", "p.theta:3:23: error: reference"])

    def test_files_that_cannot_be_read(self):
        self.check(self.theta("run", "none.theta"), 1, "", "cannot read 'none.theta': No such file or directory")
        self.check(self.theta("run", self.root), 1, "", "Is a directory")
        self.write("bad.thb", b"\0" * 100)
        self.check(self.theta("run", "bad.thb"), 1, "")
        self.write("text.theta", b"capsule P { \xff\xfe }")
        self.check(self.theta("run", "text.theta"), 1, "", "text.theta:1:")

    def test_expression(self):
        self.check(self.theta("eval", "1 + x"), 1, "", ["expression:1:5: error: ", "    1 | 1 + x\n"])
        self.write("e.txt", "n = 4\nn * n\n")
        self.check(self.theta("eval", "-f", "e.txt"), 0, "16\n")
        self.check(self.theta("eval", "-f", "-", stdin="'a' + 'b'"), 0, "ab\n")
        self.check(self.theta("eval", "-f", "none"), 1, "", "cannot read 'none'")


class Limits(common.Command):
    def limited(self, text, *options):
        self.write("p.theta", text)
        began = time.monotonic()
        result = self.theta("run", *options, "p.theta")
        self.assertLess(time.monotonic() - began, 20)
        return result

    def test_fuel(self):
        self.check(self.limited(common.LOOP, "--fuel", "1000"), 1, "", "out of fuel")
        self.check(self.limited("capsule P { i64 main() { return 1 } }", "--fuel", "1000"), 0, "1\n")

    def test_time(self):
        self.check(self.limited(common.LOOP, "--timeout", "0.2"), 1, "", "the time limit of 0.2 s is reached")
        self.check(self.limited(common.LOOP, "--timeout", "0.2", "--profile"), 1, "", "the time limit of 0.2 s is reached")

    def test_time_while_input_is_waited_for(self):
        self.write("p.theta", "capsule P { void main() { print(IO.read_all()) } }")
        reader, writer = os.pipe()
        self.addCleanup(os.close, writer)
        process = self.start("run", "--allow", "fs", "--timeout", "0.2", "p.theta", stdin=reader)
        os.close(reader)
        errors = process.communicate(timeout=20)[1].decode()
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("the time limit of 0.2 s is reached", errors)

    def test_memory(self):
        grow = "capsule P { i64 main() { List<i64> xs = []\n while (true) { push(xs, 1) }\n return 0 } }"
        self.check(self.limited(grow, "--memory", "16M"), 1, "", "memory")

    def test_depth_is_memory(self):
        deep = "capsule P { i64 f(i64 n) { return 1 + f(n + 1) } i64 main() { return f(0) } }"
        self.check(self.limited(deep, "--memory", "32M"), 1, "", ["memory limit", "  at P.f (p.theta:1:39)\n"])

    def test_limits_hold_inside_builtins(self):
        doubling = "capsule P { i64 main() { String s = 'abc'\n while (true) { s = s + s }\n return 0 } }"
        self.check(self.limited(doubling, "--memory", "16M"), 1, "", "memory")
        self.check(self.limited(doubling, "--fuel", "100000"), 1, "", "fuel")
        fill = "capsule P { i64 main() { return len(List.fill(1000000000000, 0)) } }"
        self.check(self.limited(fill, "--memory", "64M"), 1, "", "memory")
        self.check(self.limited(fill, "--memory", "64M", "--fuel", "1000"), 1, "")

    def test_work_inside_one_call_stops_at_each_limit(self):
        n = 10_000_000 if common.OPTIONS.slow else 100_000_000
        calls = {
            "sort": f"print(List.sorted(List.map(List.range(0, {n}), i -> (i * 7919) % 1000003))[0])",
            "sort_floats": f"print(List.sorted(List.map(List.range(0, {n}), i -> f64(i)))[0])",
            "regular_expression": "s = String.repeat('a', 5000000)\n"
                                  "while (true) { b = Regex.matches(s, '(a*)*(a|aa)+(a*)*b') }",
            "appending": "String s = 'x'\nwhile (true) { s = s + String.repeat('x', 1000) }",
            "table": "rows = List.map(List.range(0, 300000), i -> @Row { id: i % 1000 })\n"
                     "print(Table.of(rows) => join(Table.of(rows), id) => len())"}
        for name, body in calls.items():
            program = f"capsule P {{ struct Row {{ id<i64> }} void main() {{\n{body}\n}} }}"
            with self.subTest(name):
                self.check(self.limited(program, "--memory", "4M"), 1, "", "the memory limit of 4194304 bytes is reached")
                self.check(self.limited(program, "--fuel", "500000", "--memory", "4G"), 1, "", "out of fuel")
                self.check(self.limited(program, "--timeout", "0.2", "--memory", "4G"), 1, "",
                           "the time limit of 0.2 s is reached")

    def test_sizes_that_nothing_could_hold_are_refused_at_once(self):
        huge = 10**15
        for call in (f"String.repeat('x', {huge})", f"String.pad_left('x', {huge})", f"List.repeat([1, 2], {huge})",
                     f"List.range(0, {huge})", f"List.fill({huge}, 0)"):
            began = time.monotonic()
            self.check(self.limited(f"capsule P {{ void main() {{ print(len({call})) }} }}"), 1, "", str(huge))
            self.assertLess(time.monotonic() - began, 5 if common.OPTIONS.slow else 1)

    def test_equal_runs_use_equal_fuel(self):
        self.write("p.theta", "capsule P { i64 main() { i64 n = 0\n for (i in range(0, 1000)) { n += i }\n return n } }")
        low, high = 0, 100000
        while low < high:
            middle = (low + high) // 2
            done = self.theta("run", "--fuel", middle, "p.theta").status == 0
            low, high = (low, middle) if done else (middle + 1, high)
        for _ in range(3):
            self.check(self.theta("run", "--fuel", low, "p.theta"), 0, "499500\n")
            self.check(self.theta("run", "--fuel", low - 1, "p.theta"), 1, "", "fuel")

    def test_profile(self):
        self.write("p.theta", "capsule P { i64 f(i64 n) { return if (n < 2) { n } else { f(n - 1) + f(n - 2) } }\n"
                              "i64 main() { return f(31) } }")
        self.check(self.theta("run", "--profile", "p.theta"), 0, "1346269\n", ["profile: compiled in", "instructions", "P.f"])

    def test_trace_names_the_calls_in_order(self):
        self.write("p.theta", "capsule P {\n  i64 g(i64 n) {\n    return if (n == 0) { 0 } else { g(n - 1) + n }\n  }\n"
                              "  i64 main() {\n    return g(3)\n  }\n}\n")
        errors = self.check(self.theta("run", "--trace", "p.theta"), 0, "6\n", ["P.main (p.theta:6:", "P.g (p.theta:"]).errors
        self.assertLess(errors.index("P.main"), errors.index("P.g"))
        self.check(self.theta("run", "--trace", "--fuel", "3", "p.theta"), 1, "", ["P.main", "out of fuel"])
        self.write("loop.theta", common.LOOP)
        self.check(self.theta("run", "--trace", "--timeout", "0.3", "loop.theta"), 1, "", ["L.main", "time limit"])


class Signals(common.Command):
    def stop(self, process, number):
        time.sleep(0.5 if common.OPTIONS.slow else 0.25)
        began = time.monotonic()
        process.send_signal(number)
        errors = process.communicate(timeout=20)[1].decode()
        return time.monotonic() - began, errors

    def test_interrupt_ends_the_run_at_once(self):
        self.write("p.theta", common.LOOP)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("run", "p.theta")
            took, errors = self.stop(process, number)
            self.assertEqual(process.returncode, 128 + number, errors)
            self.assertIn("interrupted", errors)
            self.assertLess(took, 2 if common.OPTIONS.slow else 0.1)

    def test_interrupt_ends_work_inside_one_call(self):
        rows = "List.map(List.range(0, 300000), i -> @Row { id: i % 1000 })"
        for body in ("List<i64> xs = List.map(List.range(0, 1000000), i -> (i * 7919) % 1000003)\nIO.error('ready')\n"
                     "while (true) { ys = List.sorted(xs) }",
                     "s = String.repeat('a', 20000000)\nIO.error('ready')\n"
                     "while (true) { b = Regex.matches(s, '(a*)*(a|aa)+(a*)*b') }",
                     f"rows = {rows}\nIO.error('ready')\nprint(Table.of(rows) => join(Table.of(rows), id) => len())",
                     f"rows = {rows}\nIO.error('ready')\nwhile (true) {{ n = Table.of(rows) => sort(desc(id)) => len() }}",
                     "IO.error('ready')\nprint(IO.read_line())"):
            self.write("p.theta", f"capsule P {{ struct Row {{ id<i64> }} void main() {{\n{body}\n}} }}")
            reader, writer = os.pipe()  # an input that never comes
            self.addCleanup(os.close, writer)
            process = self.start("run", "--allow", "fs", "p.theta", stdin=reader)
            os.close(reader)
            self.assertEqual(process.stderr.readline(), b"ready\n", process.stderr)
            took, errors = self.stop(process, signal.SIGINT)
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn("interrupted", errors)
            self.assertLess(took, 2 if common.OPTIONS.slow else 0.1, body)

    def test_interrupt_while_output_is_stuck(self):
        self.write("p.theta", "capsule P { void main() { while (true) { print('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') } } }")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.start("run", "p.theta", stdout=writer)
        os.close(writer)
        took, errors = self.stop(process, signal.SIGINT)
        self.assertEqual(process.returncode, 130, errors)
        self.assertLess(took, 5)

    def test_profile_of_an_interrupted_run(self):
        self.write("p.theta", common.LOOP)
        process = self.start("run", "--profile", "p.theta")
        errors = self.stop(process, signal.SIGINT)[1]
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("L.main", errors)


class Outputs(common.Command):
    ENDLESS = "capsule P { void main() { while (true) { print('line') } } }"

    def test_closed_pipe_is_quiet(self):
        self.write("p.theta", self.ENDLESS)
        process = self.start("run", "p.theta")
        self.assertEqual(process.stdout.readline(), b"line\n")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20), 1)
        self.assertEqual(process.stderr.read(), b"")

    def test_full_disk_is_told(self):
        self.write("p.theta", self.ENDLESS)
        for args in [("run", "p.theta"), ("eval", "42"), ("--help",), ("doc",)]:
            with open("/dev/full", "wb") as full:
                process = self.start(*args, stdout=full)
                errors = process.stderr.read().decode()
            self.assertEqual(process.wait(timeout=20), 1, args)
            self.assertIn("standard output: No space left on device", errors)

    def test_closed_output_is_told(self):
        result = subprocess.run(["sh", "-c", 'exec "$0" eval 42 >&-', common.OPTIONS.theta], env=self.environment(),
                                capture_output=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"standard output: Bad file descriptor", result.stderr)


if __name__ == "__main__":
    common.main()
