# common.py - what the command's tests share: running it in a folder of its own, and seeing crashes for what they are.
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True
import thetatest  # noqa: E402

OPTIONS = None
LOOP = "capsule L { void main() { while (true) { } } }\n"


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="theta-cli-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8")
        return path

    def environment(self, **more):
        suppressions = pathlib.Path(__file__).resolve().parent / "lsan.supp"
        leaks = f"exitcode={thetatest.SANITIZER_STATUS}:suppressions={suppressions}:print_suppressions=0"
        return thetatest.environment(OPTIONS.theta, THETA_HISTORY="", LSAN_OPTIONS=leaks, **more)

    def theta(self, *args, stdin="", timeout=60, **env):
        """Runs the command; whatever it was given, it may not crash or hang."""
        result = thetatest.run([OPTIONS.theta, *map(str, args)], self.root, stdin, timeout, self.environment(**env))
        problem = thetatest.crash(result, timeout)
        if problem:
            self.fail(f"theta {' '.join(map(str, args))}: {problem}\n{result.output}{result.errors}")
        return result

    def check(self, result, status=0, output=None, errors=None):
        told = f"status {result.status}\n--- output\n{result.output}\n--- errors\n{result.errors}"
        self.assertEqual(result.status, status, told)
        if output is not None:
            self.assertEqual(result.output, output, told)
        if errors is None and status == 0:
            self.assertEqual(result.errors, "", told)
        for part in [errors] if isinstance(errors, str) else errors or []:
            self.assertIn(part, result.errors, told)
        return result

    def start(self, *args, **more):
        process = subprocess.Popen([OPTIONS.theta, *map(str, args)], cwd=self.root, env=self.environment(),
                                   stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, **more)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        if process.stdout:
            self.addCleanup(process.stdout.close)
        return process


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--theta", default=str(ROOT / "build" / "theta"))
    parser.add_argument("--slow", action="store_true", help="the command is built with sanitizers")
    parser.add_argument("--faults", help="the library made of tests/support/faulty_io.c")
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.theta = os.path.abspath(OPTIONS.theta)
    sys.modules["common"].OPTIONS = OPTIONS  # also when this file was imported under its own name
    unittest.main(argv=[sys.argv[0], *rest])
