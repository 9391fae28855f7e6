#!/usr/bin/env python3
# test_query.py - theta query: paths in front of a pipeline, formats, plans, errors.
# SPDX-License-Identifier: Apache-2.0
import json
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

ROWS = "city,fare,km\nOslo,10.5,3\nRome,20.0,4\nOslo,7.25,2\nParis,,1\n"


class Query(common.Command):
    def setUp(self):
        super().setUp()
        self.write("trips.csv", ROWS)
        self.write("with space/it's.csv", "a\n1\n")
        self.write("trips.tsv", ROWS.replace(",", "\t"))

    def query(self, pipeline, *options, **more):
        return self.theta("query", *options, pipeline, **more)

    def test_path_is_read_by_its_extension(self):
        expected = "city,fare,km\nOslo,10.5,3\nRome,20.0,4\n"
        for head in ["trips.csv", "'trips.csv'", '"trips.csv"', "./trips.csv", "Csv.read('trips.csv')", "trips.tsv", "  trips.csv "]:
            self.check(self.query(f"{head} => where(fare > 8.0)"), 0, expected)
        self.check(self.query("trips.csv=>where(fare > 8.0)"), 0, expected)

    def test_path_alone(self):
        self.check(self.query("trips.csv"), 0, ROWS)

    def test_odd_paths(self):
        for head in ["with space/it's.csv", '"with space/it\'s.csv"']:
            self.check(self.query(f"{head} => take(1)"), 0, "a\n1\n")

    def test_standard_input(self):
        self.check(self.query("- => where(km > 2) => select(city)", stdin=ROWS), 0, "city\nOslo\nRome\n")

    def test_whole_pipeline(self):
        self.check(self.query("trips.csv => group(city) => aggregate(n: count(), km: sum(km)) => sort(desc(n), city) => take(2)"),
                   0, "city,n,km\nOslo,2,5\nParis,1,1\n")

    def test_formats(self):
        rows = [{"city": "Oslo", "km": 3}, {"city": "Rome", "km": 4}]
        pipeline = "trips.csv => select(city, km) => take(2)"
        self.assertEqual(json.loads(self.check(self.query(pipeline, "--format", "json")).output), rows)
        self.assertEqual(json.loads(self.check(self.query(pipeline, "--json")).output), rows)
        lines = self.check(self.query(pipeline, "--format", "ndjson")).output.splitlines()
        self.assertEqual([json.loads(line) for line in lines], rows)
        self.assertIn("| city", self.check(self.query(pipeline, "--format", "markdown")).output)
        grid = self.check(self.query(pipeline, "--format", "grid")).output
        self.assertIn("Oslo", grid)
        self.assertNotIn("Oslo,3", grid)

    def test_plan(self):
        text = self.check(self.query("trips.csv => where(km > 2) => select(city)", "--explain")).output
        self.assertIn("trips.csv", text)
        self.assertNotIn("Oslo", text)

    def test_scalar(self):
        self.check(self.query("trips.csv => count()"), 0, "4\n")

    def test_errors(self):
        self.check(self.query("none.csv => take(1)"), 1, "", ["none.csv", "No such file"])
        self.check(self.query("trips.csv => where(fair > 1.0)"), 1, "", ["query:1:", "fair"])
        self.check(self.query("trips.csv => whare(fare > 1.0)"), 1, "", ["query:1:", "whare"])
        self.check(self.query("trips.foo => take(1)"), 2, "", [".csv", "trips.foo"])
        self.check(self.query("with space => take(1)"), 2, "", "extensions")
        self.check(self.query(""), 2, "", "pipeline")
        self.check(self.query("=>"), 1, "")
        self.check(self.query("'open => take(1)"), 1, "", "query:1:")

    def test_files_need_leave(self):
        self.check(self.query("trips.csv => take(1)", "--allow", "none"), 1, "", "fs")

    def test_limits_hold_while_rows_are_pulled(self):
        self.write("big.csv", "a\n" + "".join(f"{i}\n" for i in range(100000)))
        self.check(self.query("big.csv => sort(desc(a)) => take(1)"), 0, "a\n99999\n")
        self.check(self.query("big.csv => sort(desc(a)) => take(1)", "--fuel", "5000"), 1, "", "fuel")
        self.check(self.query("big.csv => sort(desc(a)) => take(1)", "--memory", "256K"), 1, "", "memory")


if __name__ == "__main__":
    common.main()
