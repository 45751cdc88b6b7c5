# SPDX-License-Identifier: Apache-2.0
"""count-tests sums both reports and never calls a crash a success."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOOD = "<testcase name='a'/>"
BAD = "<testcase name='b'><failure/></testcase>"
ERROR = "<testcase name='c'><error/></testcase>"
SKIPPED = "<testcase name='d'><skipped/></testcase>"


def count(meson, pytest, meson_code=0, pytest_code=0):
    with tempfile.TemporaryDirectory() as folder:
        build = pathlib.Path(folder)
        (build / "meson-logs").mkdir()
        if meson is not None:
            (build / "meson-logs/testlog.junit.xml").write_text(
                f"<testsuites><testsuite>{meson}</testsuite></testsuites>")
        if pytest is not None:
            (build / "pytest.xml").write_text(
                f"<testsuites><testsuite>{pytest}</testsuite></testsuites>")
        run = subprocess.run([sys.executable, ROOT / "scripts/count-tests", build, str(meson_code),
                              str(pytest_code)], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.strip(), (build / "test-counts").read_text()


class CountTests(unittest.TestCase):
    def test_both_reports_are_summed(self):
        self.assertEqual(count(GOOD * 3 + SKIPPED, GOOD * 2),
                         (0, "5 passed, 0 failed, 1 skipped", "5 0 1\n"))

    def test_failures_and_errors_fail(self):
        self.assertEqual(count(GOOD + BAD, ERROR, 1, 1)[:2], (1, "1 passed, 2 failed, 0 skipped"))

    def test_a_runner_that_crashed_is_a_failure(self):
        self.assertEqual(count(GOOD, None, 0, 2)[:2], (1, "1 passed, 1 failed, 0 skipped"))
        self.assertEqual(count(None, GOOD, 1, 0)[:2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_what_a_terminal_showed_is_no_trouble(self):
        shown = "<testcase name='e'><failure>\x1b[0m[ERROR]</failure></testcase>"
        self.assertEqual(count(GOOD, shown, 0, 1)[:2], (1, "1 passed, 1 failed, 0 skipped"))

    def test_nothing_at_all_is_a_failure(self):
        self.assertEqual(count(None, None)[0], 1)


unittest.main()
