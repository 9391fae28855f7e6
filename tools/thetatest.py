# thetatest.py - what run-golden and check-docs share: reading expectations, running the command, comparing.
# SPDX-License-Identifier: Apache-2.0
"""Expectations are comments (//, ; or #) anywhere in a program:

    // expect: TEXT            one line of standard output, in order
    // expect-error: TEXT      is in standard error (several: in this order); the exit status is not 0
    // expect-status: N        the exit status
    // args: WORD...           arguments of the program (shell quoting; {tmp} is a folder that is deleted afterwards)
    // flags: WORD...          flags of the command, before the file
    // command: WORD           instead of `run`: check, ...
    // stdin: TEXT             one line of standard input, in order
    // helper: WHY             no test by itself: another file links it
"""
import difflib
import os
import re
import shlex
import signal
import subprocess
import tempfile

DIRECTIVE = re.compile(r"(?://|;+|#+)[ \t]*(expect|expect-error|expect-status|args|flags|command|stdin|helper):[ \t]?(.*)$")
SANITIZER = re.compile(r"ERROR: (Address|Leak|Memory|Thread)Sanitizer|\.(c|h|inc|def):\d+:\d+: runtime error:")
SANITIZER_STATUS = 99


class Expectation:
    def __init__(self, text):
        self.output, self.errors, self.args, self.flags, self.stdin = [], [], [], [], []
        self.status, self.command, self.helper, self.found, self.problem = None, "run", False, False, None
        for number, line in enumerate(text.splitlines(), 1):
            found = DIRECTIVE.search(line)
            if found:
                try:
                    self.take(found[1], found[2].rstrip())
                except ValueError as error:
                    self.problem = f"line {number}: {found[1]}: {error}"

    def take(self, word, text):
        if word == "expect":
            self.output.append(text)
        elif word == "expect-error":
            if not text:
                raise ValueError("an empty text is in everything")
            self.errors.append(text)
        elif word == "expect-status":
            self.status = int(text)
        elif word == "args":
            self.args += shlex.split(text)
        elif word == "flags":
            self.flags += shlex.split(text)
        elif word == "command":
            self.command = text
        elif word == "stdin":
            self.stdin.append(text + "\n")
        elif word == "helper":
            self.helper = True
        self.found = self.found or word.startswith("expect")


class Result:
    def __init__(self, status, output, errors, timed_out=False):
        self.status, self.output, self.errors, self.timed_out = status, output, errors, timed_out


def environment(theta, **more):
    env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", NO_COLOR="1")
    env["PATH"] = os.path.dirname(os.path.abspath(theta)) + os.pathsep + env.get("PATH", "")
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        env[name] = ":".join(filter(None, [env.get(name), f"exitcode={SANITIZER_STATUS}"]))
    env.update(more)
    return env


def run(argv, cwd, stdin, timeout, env):
    """Runs a program in a process group of its own, so that a timeout ends what it started too."""
    with subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          start_new_session=True) as process:
        timed_out = False
        try:
            output, errors = process.communicate(stdin.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
        return Result(process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"), timed_out)


def diff(expected, got, name="standard output"):
    lines = difflib.unified_diff(expected, got, f"expected {name}", "got", lineterm="")
    return "\n".join("    " + line for line in lines)


def lines_of(text):
    return [line.rstrip() for line in text.splitlines()]


def crash(result, timeout):
    """What no program may do, whatever it expects; None when it did not."""
    if result.timed_out:
        return f"still running after {timeout} s"
    if result.status < 0:
        return f"killed by {signal.Signals(-result.status).name}"
    if result.status == SANITIZER_STATUS or SANITIZER.search(result.errors):
        return "a sanitizer complained"
    return None


def in_order(wanted, text):
    at = 0
    for part in wanted:
        at = text.find(part, at)
        if at < 0:
            return part
        at += len(part)
    return None


def compare(expected, result, timeout):
    """Reasons why `result` is not what is expected; empty when it is."""
    reasons = []
    problem = crash(result, timeout)
    if problem:
        reasons.append(problem)
    got = lines_of(result.output)
    if got != expected.output:
        reasons.append("standard output differs:\n" + diff(expected.output, got))
    missing = in_order(expected.errors, result.errors)
    if missing is not None:
        reasons.append(f"standard error lacks {missing!r}")
    if expected.status is not None:
        if result.status != expected.status:
            reasons.append(f"exit status {result.status}, expected {expected.status}")
    elif expected.errors and result.status == 0:
        reasons.append("exit status 0, expected a failure")
    elif not expected.errors and result.status != 0:
        reasons.append(f"exit status {result.status}, expected 0")
    if reasons and result.errors.strip():
        shown = result.errors.rstrip().splitlines()
        reasons.append("standard error:\n" + "\n".join("    " + line for line in shown[:60]))
    return reasons


def test_program(theta, path, cwd, extra_flags, timeout, env):
    """Runs the program at `path` against its own expectations. None: a helper. Else the reasons it failed."""
    with open(path, encoding="utf-8", errors="replace") as file:
        expected = Expectation(file.read())
    if expected.helper:
        return None
    if expected.problem:
        return [expected.problem]
    if not expected.found:
        return ["it expects nothing: add `// expect: ...`, or `// helper: ...` when it is no test"]
    with tempfile.TemporaryDirectory(prefix="theta-test-") as tmp:
        args = [word.replace("{tmp}", tmp) for word in expected.args]
        flags = [word.replace("{tmp}", tmp) for word in expected.flags]
        argv = [theta, expected.command, *extra_flags, *flags, os.path.relpath(path, cwd), *args]
        return compare(expected, run(argv, cwd, "".join(expected.stdin), timeout, env), timeout)
