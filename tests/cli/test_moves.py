#!/usr/bin/env python3
# test_moves.py - tables under computation that go on in another process: each row once, files whole or not at all, and clear
# words where it cannot be.
# SPDX-License-Identifier: Apache-2.0
import os
import random
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

HEAD = """capsule T {
    struct Row { id<i64> city<String> fare<f64> }
    f64 fee(f64 x) { f64 y = 0.0; for (i in range(0, 4)) { y += x } return y }
"""
PIPELINES = {
    "where": "t => where(id % 3 == 1)",
    "derive": "t => derive(x: fare * 2.0, y: fee(fare)) => take(60)",
    "group": "t => group(city) => aggregate(n: count(), s: sum(fare), m: median(fare), d: count_distinct(fare), l: last(city))",
    "sort": "t => sort(desc(fare), id)",
    "top": "t => sort(desc(fare), id) => take(5)",
    "distinct": "t => distinct(city)",
    "join": "t => join(Csv.read('cities.csv'), on: city)",
    "union": "t => take(20) => union(t => skip(980))",
    "rows": "Table.of(t => where(id < 50) => rows()) => sort(desc(id))",
    "arrow": "Arrow.read('t.arrow') => skip(990)",
}


class Moves(common.Command):
    def setUp(self):
        super().setUp()
        lot = random.Random(5)
        rows = "".join(f"{i},{lot.choice(['Oslo', 'Rome', 'Bern'])},{lot.randrange(1000) / 8}\n" for i in range(1000))
        self.csv = self.write("t.csv", "id,city,fare\n" + rows)
        self.write("cities.csv", "city,land\nOslo,Norway\nRome,Italy\nRome,Georgia\n")
        self.write("w.theta", "capsule W { void main() { Csv.read('t.csv') => Arrow.write('t.arrow') } }")
        self.check(self.theta("run", "w.theta"))
        os.remove(self.root / "w.theta")

    def program(self, body, result="void"):
        self.write("p.theta", HEAD + f"    {result} main() {{\n        t = Csv.read('t.csv')\n        {body}\n    }}\n}}\n")

    def moved(self, *command, fuel, save="s.state"):
        """What all processes printed, and how many there were."""
        result = self.theta(*command, "--fuel", fuel, "--save", save) if command[0] != "run" else self.theta(
            "run", "--fuel", fuel, "--save", save, *command[1:])
        output, times = result.output, 1
        while result.status == 3:
            self.assertIn("out of fuel", result.errors)
            result = self.theta("resume", "--fuel", fuel, "--save", save, save)
            output += result.output
            times += 1
            self.assertLess(times, 1500)
        self.check(result)
        return output, times

    def test_each_pipeline_prints_each_row_once(self):
        for name, pipeline in PIPELINES.items():
            with self.subTest(name):
                self.program(pipeline + " => print()")
                expected = self.check(self.theta("run", "p.theta")).output
                for fuel in (60, 2000):
                    output, times = self.moved("run", "p.theta", fuel=fuel)
                    self.assertEqual(output, expected, f"{name}, {fuel} a move")
                    self.assertGreater(times, 1 if fuel < 100 else 0)

    def test_formats_are_those_of_the_first_process(self):
        self.program("t => where(id < 400) => print()")
        for form in ("grid", "json", "ndjson", "markdown", "csv"):
            expected = self.check(self.theta("run", "--format", form, "p.theta")).output
            output, times = self.moved("run", "--format", form, "p.theta", fuel=100)
            self.assertEqual(output, expected)
            self.assertGreater(times, 1)

    def test_the_table_that_main_gives(self):
        self.program("t => sort(desc(fare), id) => take(15) => derive(x: fee(fare))", "Table")
        expected = self.check(self.theta("run", "p.theta")).output
        for fuel in (0, 50, 1000):
            output, times = self.moved("run", "p.theta", fuel=fuel)
            self.assertEqual(output, expected)
            self.assertGreater(times, 2)

    def test_query_and_eval(self):
        pipeline = "'t.csv' => where(id % 2 == 0) => sort(desc(id))"
        expected = self.check(self.theta("query", pipeline)).output
        self.assertEqual(self.moved("query", pipeline, fuel=500)[0], expected)
        self.assertEqual(self.moved("eval", "Csv.read('t.csv') => where(id % 2 == 0) => sort(desc(id))", fuel=500)[0], expected)
        self.check(self.theta("query", "--fuel", "500", pipeline), 1, None, "the fuel of 500 is used up")

    def test_files_are_whole_or_not_there(self):
        for writer in ("Csv.write", "Json.write", "Json.write_lines", "Arrow.write", "Markdown.write"):
            with self.subTest(writer):
                self.program(f"t => where(id % 3 == 1) => {writer}('out')")
                self.check(self.theta("run", "p.theta"))
                expected = (self.root / "out").read_bytes()
                os.remove(self.root / "out")
                result = self.theta("run", "--fuel", 1000, "--save", "s.state", "p.theta")
                while result.status == 3:
                    self.assertFalse((self.root / "out").exists())
                    result = self.theta("resume", "--fuel", 1000, "--save", "s.state", "s.state")
                self.check(result)
                self.assertEqual((self.root / "out").read_bytes(), expected)
                self.assertEqual([p.name for p in self.root.glob("out.*")], [])

    def test_a_state_can_be_gone_on_with_twice(self):
        self.program("t => sort(desc(id)) => Csv.write('out')\n        print('done')")
        self.check(self.theta("run", "p.theta"))
        expected = (self.root / "out").read_bytes()
        self.check(self.theta("run", "--fuel", 1500, "--save", "a.state", "p.theta"), 3, None, "out of fuel")
        part = next(self.root.glob("out.*"))
        self.theta("resume", "--fuel", 2500, "--save", "b.state", "a.state")
        self.assertTrue(part.exists())
        self.check(self.theta("resume", "a.state"), 0, "done\n")
        self.assertEqual((self.root / "out").read_bytes(), expected)
        self.check(self.theta("resume", "a.state"), 1, "", ["the part of 'out' that was written before the run was saved"])

    def test_a_source_that_changed_is_told(self):
        self.program("t => where(id % 3 == 1) => sort(id) => print()")
        self.check(self.theta("run", "--fuel", 1, "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        self.check(self.theta("resume", "--fuel", 1, "--save", "s.state", "s.state"), 3, None, "out of fuel")
        text = self.csv.read_text()
        self.csv.write_text(text + "1000,Oslo,1.0\n")
        self.check(self.theta("resume", "s.state"), 1, "", ["'t.csv' has changed since the run was saved: it had", "p.theta:"])
        self.csv.write_text(text)
        os.utime(self.csv, (1, 1))
        self.check(self.theta("resume", "s.state"), 1, "", ["'t.csv' has changed since the run was saved: it was written at"])
        os.remove(self.csv)
        self.check(self.theta("resume", "s.state"), 1, "", ["cannot open 't.csv'"])

    def test_standard_input_cannot_go_on_elsewhere(self):
        self.write("p.theta", HEAD + "    void main() { t<Table<Row>> = Csv.read('-')\n t => sort(id) => print() }\n}\n")
        text = self.csv.read_text()
        self.check(self.theta("run", "p.theta", stdin=text))
        self.check(self.theta("run", "--fuel", 1500, "--save", "s.state", "p.theta", stdin=text), 1, "",
                   "a table over standard input is being read: another process cannot go on with it")
        self.assertFalse((self.root / "s.state").exists())
        self.check(self.theta("query", "--fuel", 10, "--save", "s.state", "- => take(2)", stdin=text), 2, "", "name a file")

    def test_a_pipe_cannot_go_on_elsewhere(self):
        os.mkfifo(self.root / "pipe")
        self.write("p.theta", HEAD + "    void main(List<String> args) { t<Table<Row>> = Csv.read(args[0])\n"
                   "t => sort(id) => print() }\n}\n")
        process = self.start("run", "--fuel", "1500", "--save", "s.state", "p.theta", "pipe")
        with open(self.root / "pipe", "w") as pipe:
            pipe.write(self.csv.read_text())
        errors = process.communicate(timeout=30)[1].decode()
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("'pipe' is being read and cannot be opened again", errors)

    def test_resuming_needs_the_same_capabilities(self):
        self.program("t => where(id % 3 == 1) => print()")
        self.check(self.theta("run", "--fuel", 1, "--save", "s.state", "p.theta"), 3, None, "out of fuel")
        self.check(self.theta("resume", "--fuel", 1, "--save", "s.state", "s.state"), 3, None, "out of fuel")
        self.check(self.theta("resume", "--allow", "none", "s.state"), 1, "", "capability 'fs'")

    def test_bad_cells_are_told_where_they_are(self):
        rows = "".join(f"{i},x,1.0\n" for i in range(30000))
        self.csv.write_text("id,city,fare\n" + rows + "30000,x,oops\n" + rows)
        self.program("t => where(id % 100 == 1) => print()")
        expected = self.theta("run", "p.theta")
        self.check(expected, 1, None, "t.csv:30002:9")
        result = self.theta("run", "--fuel", 5000, "--save", "s.state", "p.theta")
        output = result.output
        while result.status == 3:
            result = self.theta("resume", "--fuel", 5000, "--save", "s.state", "s.state")
            output += result.output
        self.assertEqual((result.status, result.errors), (1, expected.errors))
        self.assertEqual(output, expected.output)

    def test_damaged_states_are_refused_or_run(self):
        self.program("t => derive(f: fee(fare)) => group(city) => aggregate(m: median(f), n: count_distinct(id)) => sort(city) "
                     "=> print()")
        for moves in (6, 700):
            result = self.theta("run", "--fuel", 10, "--save", "s.state", "p.theta")
            for _ in range(moves):
                result = self.theta("resume", "--fuel", 10 if moves < 10 else 40, "--save", "s.state", "s.state")
                if result.status != 3:
                    break
            good = (self.root / "s.state").read_bytes()
            lot = random.Random(moves)
            for _ in range(25 if common.OPTIONS.slow else 150):
                at = lot.randrange(len(good))
                self.write("bent.state", good[:at] + bytes([good[at] ^ (1 << lot.randrange(8))]) + good[at + 1:])
                self.theta("resume", "bent.state", "--fuel", "3000000", "--memory", "64M", timeout=30)


if __name__ == "__main__":
    common.main()
