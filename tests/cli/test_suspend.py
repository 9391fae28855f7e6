#!/usr/bin/env python3
# test_suspend.py - a run that is suspended, saved, and goes on in another process is the run that was not.
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import time
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

PROGRAM = """capsule P {
    struct Node { value<i64> next<Node?> }
    i64 depth(i64 n) { return if (n == 0) { 0 } else { 1 + depth(n - 1) } }
    String main() {
        List<i64> xs = []
        Dict<i64> seen = {}
        String text = ''
        Node? list = null
        i64 sum = 0
        for (i in range(0, 12)) {
            push(xs, i * i)
            text = text + String(i)
            list = @Node { value: i, next: list }
            sum += depth(i)
            print('step ' + String(i))
        }
        f = (n<i64>) -> n + len(xs)
        ys = xs => map(x -> f(x))
        return text + ' ' + String(sum) + ' ' + String(ys[11])
    }
}
"""


class Suspended(common.Command):
    def setUp(self):
        super().setUp()
        self.program = self.write("p.theta", PROGRAM)
        self.expected = self.check(self.theta("run", "p.theta")).output

    def finish(self, fuel, each):
        """Runs with `fuel`, then goes on with `each` until it is over; what all of it printed, and how often it was resumed."""
        result = self.theta("run", "--fuel", fuel, "--save", "s.state", "p.theta")
        output, times = result.output, 0
        while result.status == 3:
            self.assertIn("theta resume s.state", result.errors)
            result = self.theta("resume", "s.state", "--fuel", each, "--save", "s.state")
            output += result.output
            times += 1
            self.assertLess(times, 5000)
        self.check(result, 0)
        return output, times

    def test_equal_for_every_fuel(self):
        step = 97 if common.OPTIONS.slow else 7
        for fuel in range(1, 1500, step):
            result = self.theta("run", "--fuel", fuel, "--save", "s.state", "p.theta")
            if result.status == 0:
                self.assertEqual(result.output, self.expected)
                break
            self.check(result, 3, None, "out of fuel")
            rest = self.check(self.theta("resume", "s.state"))
            self.assertEqual(result.output + rest.output, self.expected, f"fuel {fuel}")

    def test_in_many_small_steps(self):
        output, times = self.finish(100, 100)
        self.assertEqual(output, self.expected)
        self.assertGreater(times, 2)

    def test_program_is_in_the_state(self):
        self.check(self.theta("run", "--fuel", "300", "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        os.remove(self.program)
        self.check(self.theta("resume", "s.state"), 0)

    def test_errors_after_resuming_quote_the_source(self):
        self.write("f.theta", "capsule F {\n  i64 main() {\n    for (i in range(0, 1000)) { }\n    return [1][7]\n  }\n}\n")
        self.check(self.theta("run", "--fuel", "50", "--save", "s.state", "f.theta"), 3, "", "out of fuel")
        self.check(self.theta("resume", "s.state"), 1, "", ["f.theta:4:12: error: index", "    4 |     return [1][7]\n"])

    def test_resuming_with_too_little_and_nowhere_to_save(self):
        self.check(self.theta("run", "--fuel", "100", "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        self.check(self.theta("resume", "s.state", "--fuel", "10"), 1, None, "out of fuel")

    def test_inspect(self):
        self.check(self.theta("run", "--fuel", "300", "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        text = self.check(self.theta("inspect", "s.state")).output
        self.assertIn("a suspended run of", text)
        self.assertIn("out of fuel", text)
        self.assertIn("P.main (p.theta:", text)

    def test_state_that_cannot_be_written(self):
        result = self.theta("run", "--fuel", "100", "--save", "none/s.state", "p.theta")
        self.check(result, 1, None, "cannot write 'none/s.state'")

    def test_files_that_are_no_state(self):
        self.check(self.theta("resume", "none.state"), 1, "", "cannot read")
        for name, data in [("empty", b""), ("text", b"hello, this is no state"), ("zeros", b"\0" * 500)]:
            self.write(name, data)
            self.check(self.theta("resume", name), 1, "", name)

    def test_damaged_states_are_refused_or_run(self):
        self.check(self.theta("run", "--fuel", "300", "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        good = (self.root / "s.state").read_bytes()
        step = max(1, len(good) // (20 if common.OPTIONS.slow else 150))
        for at in range(0, len(good), step):
            self.write("bent.state", good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1:])
            self.theta("resume", "bent.state", "--fuel", "100000", "--memory", "64M", timeout=20)
            self.write("bent.state", good[:at])
            self.check(self.theta("resume", "bent.state"), 1, "")

    def test_interrupt_saves_too(self):
        self.write("loop.theta", "capsule L { i64 main() { i64 n = 0\n while (n < 4000000000) { n += 1 }\n return n } }")
        process = self.start("run", "--save", "s.state", "loop.theta")
        time.sleep(0.5 if common.OPTIONS.slow else 0.25)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=20)[1].decode()
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("theta resume s.state", errors)
        self.check(self.theta("resume", "s.state", "--fuel", "1000"), 1, "", "out of fuel")

    def test_interrupt_saves_while_input_is_waited_for(self):
        for text, input_then in (("IO.read_line('name? ')", b"Ann\n"), ("IO.read_all()", b"Ann"), ("IO.read_line()", b"Ann\n")):
            self.write("p.theta", f"capsule P {{ String main() {{ return 'hello ' + ({text} ?? 'nobody') }} }}")
            reader, writer = os.pipe()  # an input that never comes
            self.addCleanup(os.close, writer)
            process = self.start("run", "--allow", "fs", "--save", "s.state", "p.theta", stdin=reader)
            os.close(reader)
            time.sleep(1 if common.OPTIONS.slow else 0.3)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn(b"theta resume s.state", errors)
            self.assertEqual(output, b"name? " if "name" in text else b"")
            result = self.theta("resume", "--allow", "fs", "s.state", stdin=input_then.decode())
            self.check(result, 0, "hello Ann\n")

    def test_table_as_result(self):
        self.write("t.csv", "a\n" + "".join(f"{i}\n" for i in range(1000)))
        self.write("t.theta", "capsule T { main<Function<Table>> = () -> Csv.read('t.csv') => where(a >= 995) => sort(desc(a)) }")
        expected = self.check(self.theta("run", "t.theta")).output
        self.assertEqual(expected, "a\n999\n998\n997\n996\n995\n")
        result = self.theta("run", "--fuel", "2", "--save", "s.state", "t.theta")
        output, times = result.output, 0
        while result.status == 3 and times < 50:
            result = self.theta("resume", "s.state", "--fuel", 1000 << times, "--save", "s.state")
            output += result.output
            times += 1
        self.check(result, 0)
        self.assertEqual(output, expected)


if __name__ == "__main__":
    common.main()
