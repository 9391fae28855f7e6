#!/usr/bin/env python3
# test_nix.py - Nix from the command line: run, eval, check, build, query, and the prompt, piped and at a terminal.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import common  # noqa: E402

FUNCTION = '{ who ? "nobody", n }: { greeting = "hello ${who}"; twice = n * 2; }\n'


class Running(common.Command):
    def test_a_file_is_printed_like_nix_instantiate_strict(self):
        self.write("a.nix", "{ b = [ 1 (1 + 1) ]; a = \"x\"; f = x: x; }\n")
        self.check(self.theta("run", "a.nix"), 0, '{ a = "x"; b = [ 1 2 ]; f = <LAMBDA>; }\n')
        self.check(self.theta("run", "--lazy", "a.nix"), 0, '{ a = "x"; b = [ 1 <CODE> ]; f = <LAMBDA>; }\n')

    def test_options_may_follow_the_file(self):
        self.write("a.nix", "{ b = [ 1 { c = \"deep\"; } ]; }\n")
        self.check(self.theta("run", "a.nix", "--json"), 0, '{"b":[1,{"c":"deep"}]}\n')
        self.check(self.theta("run", "a.nix", "-A", "b.1.c", "--raw"), 0, "deep")
        self.check(self.theta("run", "a.nix", "-A", "b.0", "-A", "b.1"), 0, '1\n{ c = "deep"; }\n')
        self.assertIn("<int value=\"1\" />", self.check(self.theta("run", "a.nix", "--xml")).output)
        self.check(self.theta("run", "a.nix", "word"), 2, "", "'word' is one argument too many")

    def test_a_function_is_called_when_its_arguments_are_given(self):
        self.write("f.nix", FUNCTION)
        self.check(self.theta("run", "f.nix"), 0, "<LAMBDA>\n")
        self.check(self.theta("run", "f.nix", "--arg", "n", "20 + 1"), 0, '{ greeting = "hello nobody"; twice = 42; }\n')
        self.check(self.theta("run", "f.nix", "--arg", "n", "1", "--argstr", "who", "1"), 0,
                   '{ greeting = "hello 1"; twice = 2; }\n')
        self.check(self.theta("run", "f.nix", "--argstr", "who", "x"), 1, "", "'n'")
        self.check(self.theta("run", "f.nix", "--arg", "n", "1 +"), 1, "", ["--arg n:1:4: error: syntax error", "    1 | 1 +\n"])
        self.check(self.theta("run", "f.nix", "--arg", "n"), 2, "", "--arg n wants two words")

    def test_a_folder_means_its_default(self):
        self.write("d/default.nix", "import ./other.nix + 1")
        self.write("d/other.nix", "41")
        self.check(self.theta("run", "d"), 0, "42\n")
        (self.root / "link.nix").symlink_to("d/default.nix")
        self.check(self.theta("run", "link.nix"), 0, "42\n")

    def test_standard_input(self):
        self.check(self.theta("run", "-l", "nix", "-", stdin="1 + 1"), 0, "2\n")
        self.check(self.theta("eval", "-l", "nix", "-f", "-", stdin="{ a = 1; }"), 0, "{ a = 1; }\n")

    def test_search_path(self):
        self.write("lib/x.nix", "\"found\"")
        self.write("other/x.nix", "\"other\"")
        expression = ("eval", "-l", "nix", "import <x.nix>")
        self.check(self.theta(*expression, NIX_PATH="lib:other"), 0, '"found"\n')
        self.check(self.theta(*expression, "-I", "other", NIX_PATH="lib"), 0, '"other"\n')
        self.check(self.theta("eval", "-l", "nix", "import <p/x.nix>", "-I", f"p={self.root}/lib", NIX_PATH=""), 0, '"found"\n')
        self.check(self.theta(*expression, NIX_PATH=""), 1, "", "was not found in the Nix search path")
        self.check(self.theta(*expression, "--pure", NIX_PATH="lib"), 1, "", "pure evaluation")

    def test_what_may_be_read(self):
        self.write("in/x", "inside")
        self.write("out", "outside")
        read = 'builtins.readFile (./. + "/%s")'
        self.check(self.theta("eval", "-l", "nix", read % "in/x", "--restrict-eval", "-I", "in", NIX_PATH=""), 0, '"inside"\n')
        self.check(self.theta("eval", "-l", "nix", read % "out", "--restrict-eval", "-I", "in", NIX_PATH=""), 1, "", "restricted")
        self.check(self.theta("eval", "-l", "nix", read % "out", "--allow", "none"), 1, "", "denied")

    def test_eval(self):
        self.check(self.theta("eval", "-l", "nix", "let a = 1; in { inherit a; }"), 0, "{ a = 1; }\n")
        self.check(self.theta("eval", "-l", "nix", "builtins.getEnv \"WHO\"", WHO="me"), 0, '"me"\n')
        self.write("e.nix", "[ 1 ]")
        self.check(self.theta("eval", "-f", "e.nix"), 0, "[ 1 ]\n")

    def test_messages_go_to_standard_error(self):
        self.check(self.theta("eval", "-l", "nix", 'builtins.trace "one" (builtins.warn "two" 3)'), 0, "3\n",
                   ["trace: one\n", "evaluation warning: two\n"])

    def test_errors_show_the_line_and_with_a_trace_how_it_came(self):
        self.write("e.nix", "let\n  f = x: throw \"bad ${x}\";\nin [ (f \"luck\") ]\n")
        result = self.check(self.theta("run", "e.nix"), 1, "", ["e.nix:2:10: error:", "bad luck",
                                                               '    2 |   f = x: throw "bad ${x}";\n      |          ^~~~~'])
        self.assertNotIn("…", result.errors)
        self.check(self.theta("run", "e.nix", "--show-trace"), 1, "", ["bad luck", "  … while "])

    def test_control_characters_do_not_reach_the_terminal(self):
        result = self.check(self.theta("eval", "-l", "nix", 'throw "a\x1b[31m\nb"'), 1, "", "thrown: a\ufffd[31m\nb\n")
        self.assertNotIn("\x1b", result.errors)

    def test_limits(self):
        loop = "let f = n: f (n + 1); in f 0"
        self.check(self.theta("eval", "-l", "nix", loop, "--fuel", "1_000_000"), 1, "", "fuel")
        self.check(self.theta("eval", "-l", "nix", loop, "--timeout", "0.2"), 1, "", "time limit")
        deep = "let f = n: 1 + f (n + 1); in f 0"
        self.check(self.theta("eval", "-l", "nix", deep, "--memory", "32M"), 1, "", "memory")

    def test_an_interrupt_ends_it(self):
        process = self.start("eval", "-l", "nix", "let f = n: f (n + 1); in f 0")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 128 + signal.SIGINT)

    def test_wrong_use(self):
        self.check(self.theta("eval", "-l", "nix", "1", "--json", "--xml"), 2, "", "exclude each other")
        self.check(self.theta("eval", "-l", "nix", "1", "--save", "s"), 2)
        self.check(self.theta("run", "none.nix"), 1, "", "cannot read 'none.nix'")
        self.check(self.theta("eval", "-l", "nixx", "1"), 1, "", "known: theta, nix")


class Compiling(common.Command):
    def test_check(self):
        self.write("good.nix", "x: x")
        self.write("bad.nix", "x: y")
        self.check(self.theta("check", "good.nix"), 0, "")
        self.check(self.theta("check", "--parse-only", "good.nix"), 0, "")
        self.check(self.theta("check", "bad.nix"), 1, "", "bad.nix:1:4: error")
        self.check(self.theta("check", "--parse-only", "bad.nix"), 1, "", "undefined variable 'y'")

    def test_the_tree_is_printed(self):
        self.write("a.nix", "{ a, b ? 1, ... }@all: [ a.x ./p (b + 2 * 3) ]")
        self.check(self.theta("check", "--print-ast", "a.nix"), 0,
                   f"({{ a, b ? 1, ... }} @ all: [ ((a).x) ({self.root}/p) ((b + (__mul 2 3))) ])\n")
        self.check(self.theta("check", "--print-ast", "-l", "nix", "-", stdin="{ a = ; }"), 1, "", "stdin:1:7: error")

    def test_a_compiled_expression_runs_like_its_source(self):
        self.write("f.nix", FUNCTION)
        self.check(self.theta("build", "f.nix", "-o", "f.thb"), 0, "")
        (self.root / "f.nix").unlink()
        self.check(self.theta("run", "f.thb"), 0, "<LAMBDA>\n")
        self.assertIn("func main() -> value", self.check(self.theta("dis", "f.thb")).output)
        self.assertIn("a program of", self.check(self.theta("inspect", "f.thb")).output)

    def test_compiled_errors_show_their_source(self):
        self.write("e.nix", "1 + throw \"kept\"")
        self.check(self.theta("build", "e.nix"), 0, "")
        (self.root / "e.nix").unlink()
        self.check(self.theta("run", "e.thb"), 1, "", ["e.nix:1:5: error: thrown: kept", '    1 | 1 + throw "kept"'])


class Tables(common.Command):
    def test_a_list_of_sets_is_queried(self):
        self.write("t.nix", '[ { x = 1; n = "a"; } { x = 5; n = "b"; } { x = 7; } ]')
        self.check(self.theta("query", "t.nix => where(x > 3) => select(n, twice: x * 2)"), 0, "n,twice\nb,10\n,14\n")
        self.check(self.theta("query", "t.nix", "--json"), 0)
        self.check(self.theta("query", "t.nix => where(y > 3)"), 1, "", "y")

    def test_arguments_and_selection(self):
        self.write("f.nix", "{ n }: { rows = builtins.genList (i: { inherit i; sq = i * i; }) n; }")
        self.check(self.theta("query", "f.nix => aggregate(s: sum(sq))", "--arg", "n", "4", "-A", "rows"), 0, "s\n14\n")

    def test_what_is_no_table_is_told(self):
        self.write("n.nix", "5")
        self.check(self.theta("query", "n.nix => take(1)"), 1, "", "error")
        self.write("m.nix", '[ { a = 1; } { a = "x"; } ]')
        self.check(self.theta("query", "m.nix => take(1)"), 1, "", "row 2: 'a' is a string")

    def test_run_writes_tables(self):
        self.write("t.nix", '[ { x = 1; } { x = 2.5; } ]')
        self.check(self.theta("run", "t.nix", "--format", "csv"), 0, "x\n1.0\n2.5\n")
        self.assertEqual([json.loads(line) for line in self.theta("run", "t.nix", "--format", "ndjson").output.splitlines()],
                         [{"x": 1.0}, {"x": 2.5}])


class Prompt(common.Command):
    def repl(self, *lines, options=()):
        return self.theta("repl", "-l", "nix", *options, stdin="".join(line + "\n" for line in lines))

    def test_values_and_bindings(self):
        self.check(self.repl("1 + 1", "x = 20", "y = x + 1;", "y * 2", '"text"'), 0, '2\n42\n"text"\n')

    def test_values_are_shown_one_level_deep(self):
        self.check(self.repl("{ a = 1; b = { c = 2; }; }"), 0, "{\n  a = 1;\n  b = { ... };\n}\n")
        self.check(self.repl(":p { a = 1; b = { c = 2; }; }"), 0, "{\n  a = 1;\n  b = { c = 2; };\n}\n")

    def test_bindings_are_lazy(self):
        self.check(self.repl('bad = throw "later"', "1", "bad", "2"), 1, "1\n2\n", "later")

    def test_an_input_may_span_lines(self):
        self.check(self.repl("let", "  a = 1;", "in", "  a + 1", "[ 1", "]"), 0, "2\n[ 1 ]\n")
        self.check(self.repl("let a = 1;"), 1, "", "unexpected end of file")

    def test_commands(self):
        self.write("lib.nix", "{ f = x: x + 1; g = 2; }")
        self.check(self.repl(":t 1", ":t { }", ":t x: x", ":a { q = 5; }", "q", ":l lib.nix", "f g"), 0,
                   "an integer\na set\na function\nAdded 1 variable.\n5\nAdded 2 variables.\n3\n")
        self.check(self.repl(":q", "1"), 0, "")
        self.assertIn(":l, :load FILE", self.check(self.repl(":?")).output)
        self.check(self.repl(":l none.nix", ":nope", ":a 5", "1"), 1, "1\n",
                   ["cannot read 'none.nix'", "no command ':nope'", "this is an integer"])
        self.check(self.repl("1", ":l lib.nix", "x = 1", ":r", "g", "x"), 1,
                   "1\nAdded 2 variables.\nAdded 2 variables.\n2\n", "undefined variable 'x'")

    def test_errors_show_the_input_and_do_not_end_it(self):
        self.check(self.repl("f = x: 1 + x", 'f "a"', "1"), 1, "1\n", ["input 1:1:", "cannot add a string to an integer", "    1 | f = x: 1 + x\n"])
        self.check(self.repl(":te", "f = x: 1 + throw x", 'f "a"'), 1, "errors are shown with a trace\n", ["… while"])

    def test_files_on_the_command_line_and_arguments(self):
        self.write("lib.nix", "{ n }: { m = n + 1; }")
        self.check(self.theta("repl", "-l", "nix", "lib.nix", "--arg", "n", "41", stdin="m\n"), 0, "Added 1 variable.\n42\n")

    def test_fuel_is_of_each_input(self):
        loop = "let f = n: f (n + 1); in f 0"
        self.check(self.repl(loop, "1", loop, "2", options=("--fuel", "1000000")), 1, "1\n2\n", "fuel")


class Terminal(common.Command):
    def setUp(self):
        super().setUp()
        self.parent, child = pty.openpty()
        self.process = self.start("repl", "-l", "nix", stdin=child, stdout=child)
        os.close(child)
        self.addCleanup(os.close, self.parent)
        self.until("nix> ")

    def until(self, text, timeout=30):
        seen, end = "", time.time() + timeout
        while text not in seen:
            ready, _, _ = select.select([self.parent], [], [], max(0, end - time.time()))
            self.assertTrue(ready, f"no {text!r} in {seen!r}")
            seen += os.read(self.parent, 65536).decode("utf-8", "replace")
        return seen

    def type(self, text):
        os.write(self.parent, text.encode())

    def test_names_and_attributes_are_completed(self):
        self.type("conf = { alpha = { inner-most = 7; }; beta = 2; }\n")
        self.until("nix> ")
        self.type("con\t.al\t.in\t + 1\n")
        self.assertIn("8", self.until("nix> "))
        self.type("builtins.stringL\t \"abcd\"\n")
        self.assertIn("\r\n4\r\n", self.until("nix> "))

    def test_an_interrupt_stops_an_evaluation_and_no_more(self):
        self.type("let f = n: f (n + 1); in f 0\n")
        time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        self.until("nix> ")
        self.type("20 + 22\n")
        self.assertIn("42", self.until("nix> "))
        for _ in range(40):  # the key means the end of input only while a line is being read
            self.type("\x04")
            try:
                self.assertEqual(self.process.wait(timeout=0.5), 0)
                return
            except subprocess.TimeoutExpired:
                pass
        self.fail("Ctrl-D does not leave")


if __name__ == "__main__":
    common.main()
