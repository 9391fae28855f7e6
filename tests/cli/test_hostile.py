#!/usr/bin/env python3
# test_hostile.py - files that are damaged, huge, deep, empty, no text, or not there: the command says what is wrong, with a status
# that is not 0; it does not crash, hang or leak (the sanitizer build sees that).
# SPDX-License-Identifier: Apache-2.0
import os
import random
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

PROGRAM = """capsule P {
    struct Row { id<i64> name<String> price<f64?> }
    enum Size { Small, Large }
    f = (n<Number>) -> if (n < 2) 1 else n * f(n - 1)
    String text(List<Row> rows) {
        String all = ''
        Dict<i64> seen = {}
        for (row in rows) {
            all = all + match row.price { null -> 'none', p<f64> -> 'f${p}' }
            seen[row.name] = (seen[row.name] ?? 0) + 1
        }
        try { all = all + String([1, 2][len(rows)]) } catch (e) { all = all + 'caught' }
        return all + Json.text(seen)
    }
    String main() {
        return text([@Row { id: 1, name: 'a', price: 2.5 }, @Row { id: 2, name: 'b', price: null }]) + String(f(5))
    }
}
"""
CSV = b"id,name,price,day\n1,a,2.5,2024-01-01\n2,\"b, c\",,2024-02-29\n3,\"x\ny\",1e3,\n"


def mutations(data, rng, count):
    """Cut short, bytes changed, parts doubled, dropped, or of another file."""
    for _ in range(count):
        bent = bytearray(data)
        at = rng.randrange(len(bent))
        kind = rng.randrange(6)
        if kind == 0:
            del bent[at:]
        elif kind == 1:
            bent[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            bent[at] = rng.choice([0, 1, 0x7f, 0x80, 0xfe, 0xff])
        elif kind == 3:
            bent[at:at + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
        elif kind == 4:
            bent[at:at] = bent[at // 2:at // 2 + rng.randrange(1, 200)]
        else:
            del bent[at:at + rng.randrange(1, 40)]
        yield bytes(bent)


class Hostile(common.Command):
    SEED = int(os.environ.get("THETA_SEED", "20240229"))  # another one, and more of each: THETA_SEED=7 THETA_TIMES=20

    def setUp(self):
        super().setUp()
        self.rng = random.Random(self.SEED)
        self.few = (40 if common.OPTIONS.slow else 150) * int(os.environ.get("THETA_TIMES", "1"))
        self.limits = ("--fuel", "1000000", "--memory", "64M")

    def refused(self, *args, status=1, **more):
        """Whatever it is, it is told; the message begins with the program's or the file's name."""
        result = self.theta(*args, **more)
        self.assertEqual(result.status, status, f"{args}: {result.output}{result.errors}")
        self.assertNotEqual(result.errors.strip(), "", args)
        return result

    def survives(self, *args, **more):
        """Damaged data may still be sound; then all is well. Else it is told."""
        result = self.theta(*args, **more)
        self.assertIn(result.status, (0, 1), f"seed {self.SEED}, {args}: {result.output}{result.errors}")
        if result.status == 1:
            self.assertNotEqual(result.errors.strip(), "", args)

    def test_files_that_are_not_there_or_no_files(self):
        os.mkdir(self.root / "folder")
        for path in ("none", "folder", "folder/none", "p/q/r", "x" * 300):
            for command in ("run", "check", "build", "asm", "dis", "resume", "inspect"):
                with self.subTest(command=command, path=path[:20]):
                    self.refused(command, path)
            for extension, reader in ((".csv", "Csv"), (".arrow", "Arrow")):
                self.refused("query", path[:200] + extension)
                self.refused("eval", "--allow", "fs", f"{reader}.read('{path}') => len()")

    def test_empty_files(self):
        for name in ("e.theta", "e.thb", "e.tha", "e.state", "e.csv", "e.arrow"):
            self.write(name, b"")
        for args in (("run", "e.theta"), ("run", "e.thb"), ("dis", "e.thb"), ("resume", "e.state"), ("inspect", "e.thb"),
                     ("inspect", "e.state"), ("inspect", "e.arrow"), ("query", "e.arrow"), ("query", "e.csv => where(a > 1)")):
            with self.subTest(args):
                self.refused(*args)

    def test_sources_that_are_no_text(self):
        for text in (b"\xff\xfe\0\0", b"\0" * 1000, b"\x80" * 1000, b"capsule P { String main() { return '\xc3' } }",
                     b"capsule P { i64 main() { return 1 } } \xed\xa0\x80", bytes(range(256)) * 20, b"\x7fELF" + b"\1" * 500):
            path = self.write("p.theta", text)
            self.refused("check", path.name)
            self.refused("run", path.name)

    def test_deep_sources(self):
        n = 20000 if common.OPTIONS.slow else 100000
        for head, tail in (("(", ")"), ("[", "]"), ("{ ", " }"), ("if (true) { ", " }"), ("-", ""), ("!", ""), ("1 + (", ")"),
                           ("f(", ")"), ("x -> ", ""), ("match 1 { 1 -> ", " }"), ("'${", "}'"), ("a.", ""), ("[1][", "]"),
                           ("while (true) { ", " }"), ("try { ", " }")):
            for closed in (True, False):
                body = head * n + "1" + (tail * n if closed else "")
                self.write("p.theta", f"capsule P {{ i64 main() {{ return {body} }} }}")
                with self.subTest(head=head, closed=closed):
                    self.refused("check", "p.theta")
        for kind in ("List<" * n + "i64" + ">" * n, "List<" * n, "Function<" * n + "i64" + ">" * n):
            self.write("p.theta", f"capsule P {{ i64 main() {{ x<{kind}> = 1\nreturn 1 }} }}")
            self.refused("check", "p.theta")

    def test_long_sources(self):
        n = 20000 if common.OPTIONS.slow else 200000
        for text in ("x" * n * 10, "'" + "a" * n * 10, "1" * n, "/*" * n, "capsule P { " * n, "}" * n, "\n" * n * 10,
                     "capsule P { i64 main() { return " + "1 + " * n + "x } }", "\\" * n, "`" * n, "@" * n, "=>" * n):
            self.write("p.theta", text)
            with self.subTest(text[:30]):
                self.refused("run", "p.theta")

    def test_damaged_sources(self):
        for text in mutations(PROGRAM.encode(), self.rng, self.few):
            self.write("p.theta", text)
            self.survives("run", *self.limits, "p.theta")

    def test_damaged_programs(self):
        self.write("p.theta", PROGRAM)
        self.check(self.theta("build", "p.theta"))
        good = (self.root / "p.thb").read_bytes()
        for data in mutations(good, self.rng, self.few):
            self.write("bent.thb", data)
            for command in (("run", *self.limits), ("dis",), ("inspect",)):
                self.survives(*command, "bent.thb")

    def test_damaged_assembly(self):
        self.write("p.theta", PROGRAM)
        self.check(self.theta("build", "p.theta"))
        good = self.check(self.theta("dis", "p.thb")).output.encode()
        for data in mutations(good, self.rng, self.few):
            self.write("bent.tha", data)
            self.survives("asm", "bent.tha", "-o", "bent.thb")

    def test_damaged_csv(self):
        queries = ("bent.csv", "bent.csv => where(id > 1) => select(name)",
                   "bent.csv => group(name) => aggregate(n: count(), all: sum(price))")
        for data in mutations(CSV, self.rng, self.few):
            self.write("bent.csv", data)
            self.survives("query", *self.limits, self.rng.choice(queries))

    def test_csv_that_is_no_text(self):
        for data in (b"a,b\n1,\xff\n", b"\0" * 5000, b"\xff" * 5000, b"a,b\n\"" + b"x" * 100000, bytes(range(256)) * 30,
                     b"PK\3\4" + b"\0" * 100, b"\x1f\x8b" + b"\0" * 100):
            self.write("bad.csv", data)
            with self.subTest(data[:10]):
                self.refused("query", "bad.csv => select(a, b)")

    def test_wide_and_long_csv(self):
        self.write("wide.csv", ",".join(f"c{i}" for i in range(20000)) + "\n" + ",".join(["1"] * 20000) + "\n")
        self.survives("query", "wide.csv => select(c1, c19999)")
        self.write("same.csv", ",".join(["a"] * 3000) + "\n" + ",".join(["1"] * 3000) + "\n")
        self.survives("query", "same.csv => select(a)")
        self.write("rows.csv", "a\n" + "1\n" * 300000)
        self.refused("query", "--memory", "1M", "rows.csv => sort(a)")
        self.write("cell.csv", "a,b\n1," + "x" * 3000000 + "\n")
        self.refused("query", "--memory", "1M", "cell.csv")
        self.write("commas.csv", "a,b\n" + "," * 1000000 + "\n")
        self.refused("query", "commas.csv")

    def test_damaged_arrow(self):
        self.write("t.csv", CSV)
        self.check(self.theta("query", "t.csv => Arrow.write('t.arrow')"))
        folder = common.ROOT / "tests" / "table" / "data"
        goods = [(self.root / "t.arrow").read_bytes()]
        goods += [(folder / name).read_bytes() for name in ("converted.arrows", "delta.arrows", "packed_lz4.arrow",
                                                            "packed_zstd.arrows")]
        for good in goods:
            for data in mutations(good, self.rng, self.few // 2):
                self.write("bent.arrow", data)
                self.survives("query", *self.limits, "--format", "json", "bent.arrow")
                self.survives("inspect", "bent.arrow")

    def test_files_of_another_kind(self):
        self.write("p.theta", PROGRAM)
        self.write("t.csv", CSV)
        self.check(self.theta("build", "p.theta"))
        self.check(self.theta("query", "t.csv => Arrow.write('t.arrow')"))
        self.check(self.theta("run", "--fuel", "20", "--save", "s.state", "p.theta"), 3, None, "fuel")
        files = {name: (self.root / name).read_bytes() for name in ("p.theta", "t.csv", "p.thb", "t.arrow", "s.state")}
        for name, data in files.items():
            kind = name.rsplit(".", 1)[1]
            for extension, command in (("theta", "run"), ("thb", "run"), ("state", "resume"), ("tha", "asm"), ("thb", "dis"),
                                       ("arrow", "query")):
                if kind != extension:
                    self.write(f"other.{extension}", data)
                    with self.subTest(f"{command} of {kind} called .{extension}"):
                        self.refused(command, f"other.{extension}")


if __name__ == "__main__":
    common.main()
