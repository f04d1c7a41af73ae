"""The driver tests/run: what it reads out of the words of cargo and nextest."""

import importlib.machinery
import importlib.util

from lab import ROOT


def driver():
    loader = importlib.machinery.SourceFileLoader("driver", str(ROOT / "tests" / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("driver", loader))
    loader.exec_module(module)
    return module


def counted(count, success, output):
    run = driver()
    part = run.Part("part")
    getattr(run, count)(part, success, run.plain(output))
    return part.passed, part.failed, len(part.skipped)


def test_nextest_is_counted_with_slow_skipped_and_timed_out_tests(_lab):
    good = "     Summary [   0.707s] 56 tests run: 56 passed, 0 skipped\n"
    assert counted("count_nextest", True, good) == (56, 0, 0)
    colours = "\x1b[32;1m     Summary\x1b[0m [   0.7s] \x1b[1m2\x1b[0m tests run: 2 passed, 0 skipped\n"
    assert counted("count_nextest", True, colours) == (2, 0, 0)
    bad = "  Summary [ 9.5s] 12/16 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 4 skipped\n"
    assert counted("count_nextest", False, bad) == (10, 2, 4)


def test_a_build_that_fails_is_a_failure(_lab):
    assert counted("count_nextest", False, "error: could not compile\n") == (0, 1, 0)
    assert counted("count_cargo_test", False, "error: could not compile\n") == (0, 1, 0)


def test_cargos_own_runner_is_added_up(_lab):
    output = (
        "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n"
        "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out\n"
    )
    assert counted("count_cargo_test", False, output) == (7, 3, 1)


def test_checks_of_vectors_are_counted_and_a_silent_one_has_failed(_lab):
    assert counted("count_vectors", True, "vectors: 5 passed, 0 failed, 1 skipped\n") == (5, 0, 1)
    assert counted("count_vectors", False, "vectors: 5 passed, 2 failed, 0 skipped\n") == (5, 2, 0)
    assert counted("count_vectors", True, "a: ok\n521 values agree\n") == (521, 0, 0)
    assert counted("count_vectors", False, "Traceback\n") == (0, 1, 0)
    assert counted("count_vectors", True, "") == (0, 1, 0)


def test_every_allowed_skip_has_a_reason(_lab):
    lines = (ROOT / "tests" / "allowed_skips.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            name, _, reason = line.partition(":")
            assert name.strip() and reason.strip(), line
