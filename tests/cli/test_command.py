#!/usr/bin/env python3
# test_command.py - the command line itself: help, what is misspelt, options and their values.
# SPDX-License-Identifier: Apache-2.0
import sys
import unittest

sys.dont_write_bytecode = True
import common  # noqa: E402

COMMANDS = ["run", "resume", "eval", "query", "check", "build", "asm", "dis", "repl", "inspect", "doc", "store"]


class Help(common.Command):
    def test_version(self):
        self.assertRegex(self.check(self.theta("--version")).output, r"^theta \d+\.\d+\.\d+\n$")

    def test_help_names_every_command(self):
        text = self.check(self.theta("--help")).output
        for name in COMMANDS:
            self.assertRegex(text, rf"(?m)^  {name} ")

    def test_each_command_helps(self):
        for name in COMMANDS:
            for args in [(name, "--help"), (name, "-h"), ("help", name)]:
                text = self.check(self.theta(*args)).output
                self.assertTrue(text.startswith(f"usage: theta {name} "), text)
                self.assertIn("--color WHEN", text)

    def test_nothing_at_all_is_wrong_use(self):
        self.check(self.theta(), 2, "", "theta --help")


class Misspelt(common.Command):
    def test_command(self):
        self.check(self.theta("rnu"), 2, "", "did you mean 'run'?")
        self.check(self.theta("querry"), 2, "", "did you mean 'query'?")
        self.check(self.theta("xyzzy"), 2, "", "theta --help")

    def test_file_without_command(self):
        self.check(self.theta("a.theta"), 2, "", "did you mean 'theta run a.theta'?")

    def test_option(self):
        self.check(self.theta("run", "--feul", "3", "x"), 2, "", "did you mean --fuel?")
        self.check(self.theta("run", "--mem=3", "x"), 2, "", "did you mean --memory?")
        self.check(self.theta("run", "--xyzzy", "x"), 2, "", "there is no option --xyzzy")
        self.check(self.theta("check", "--fuel", "3", "x"), 2, "", "there is no option --fuel")

    def test_too_few_and_too_many_words(self):
        self.check(self.theta("run"), 2, "", "usage: theta run")
        self.check(self.theta("dis", "a", "b"), 2, "", "'b' is one argument too many")
        self.check(self.theta("eval"), 2, "", "-f FILE")
        self.check(self.theta("eval", "1", "2"), 2, "", "too many")

    def test_values(self):
        for option, bad in [("--fuel", ["x", "-1", "", "1e6", "99999999999999999999"]),
                            ("--memory", ["x", "0", "5Q", "-1", "", "99999999T"]),
                            ("--timeout", ["x", "0", "-1", "", "inf", "nan"]),
                            ("--allow", ["x", "fs,", ",", "", "fs,x"]),
                            ("--format", ["x", ""]),
                            ("--color", ["x", ""])]:
            for value in bad:
                self.check(self.theta("run", f"{option}={value}", "x"), 2, "", option)
        self.check(self.theta("run", "--fuel"), 2, "", "--fuel wants N")
        self.check(self.theta("run", "--profile=3", "x"), 2, "", "takes no value")

    def test_what_this_build_has_not(self):
        self.check(self.theta("store", "ls"), 2, "", "not in this build")
        self.check(self.theta("eval", "-l", "cobol", "1"), 1, "", "there is no language 'cobol'")
        self.check(self.theta("repl", "-l", "cobol"), 2, "", "there is no language 'cobol'")
        self.write("a.theta", "capsule A { i64 main() { return 1 } }")
        self.check(self.theta("build", "a.theta", "-o", "a.wasm"), 2, "", ".thb")


class Values(common.Command):
    def test_forms_of_one_option(self):
        for args in [("--fuel", "1_000_000"), ("--fuel=1000000",), ("--memory", "64M"), ("--memory=64MiB",),
                     ("--memory=1g",), ("--timeout", "10"), ("--timeout=10s",), ("--timeout=9000ms",),
                     ("--allow", "fs,net,clock"), ("--allow=none",), ("--color=never",), ("--color", "auto")]:
            self.check(self.theta("eval", *args, "20 + 22"), 0, "42\n")

    def test_options_may_follow_the_words(self):
        self.check(self.theta("eval", "['a']", "--json"), 0, '["a"]\n')

    def test_numbers_and_what_follows_two_dashes_are_words(self):
        self.check(self.theta("eval", "-5"), 0, "-5\n")
        self.check(self.theta("eval", "--", "-len([1])"), 0, "-1\n")

    def test_color(self):
        self.assertIn("\x1b[", self.check(self.theta("eval", "--color=always", "x"), 1, "", "").errors)
        self.assertNotIn("\x1b[", self.check(self.theta("eval", "x"), 1, "", "").errors)


if __name__ == "__main__":
    common.main()
