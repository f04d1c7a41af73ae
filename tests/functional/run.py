#!/usr/bin/env python3
"""Runs the functional tests: each `test_...` function of each `test_*.py` in a process of its own.

Ends with `functional: N passed, N failed, N skipped` and `faults injected: ...`.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
# A test that takes longer is stuck (seconds).
TEST_SECONDS_MAX = 600
# What is shown of the output of a failed test (characters).
OUTPUT_CHARACTERS_MAX = 8000


def discover():
    """All tests as `file.function`, in the order of their names."""
    names = []
    for path in sorted(HERE.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        names += [f"{path.stem}.{name}" for name in re.findall(r"^def (test_\w+)\(", text, re.M)]
    return names


def run_one(name, folder, result_file):
    """Runs one test in this process and writes down how it ended."""
    import lab as laboratory

    module, function = name.split(".")
    lab = laboratory.Lab(folder)
    outcome, reason = "passed", ""
    try:
        getattr(importlib.import_module(module), function)(lab)
    except laboratory.Skip as skip:
        outcome, reason = "skipped", str(skip)
    except BaseException:
        outcome, reason = "failed", traceback.format_exc()
    finally:
        lab.close()
    result = {"outcome": outcome, "reason": reason, "faults": lab.faults}
    pathlib.Path(result_file).write_text(json.dumps(result), encoding="utf-8")


def run_apart(name, keep):
    """Runs one test in a process group of its own, which ends with it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="x3c-"))
    result_file = folder / "result.json"
    command = [sys.executable, str(HERE / "run.py"), "--one", name, str(folder), str(result_file)]
    group = {} if os.name == "nt" else {"start_new_session": True}
    process = subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", **group,
    )
    try:
        output, _ = process.communicate(timeout=TEST_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        output = f"stuck for {TEST_SECONDS_MAX} s"
    finally:
        if os.name != "nt":
            # What the test left running; its own processes only, they share its group.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.kill()
        process.wait()
    if result_file.exists():
        result = json.loads(result_file.read_text(encoding="utf-8"))
    else:
        result = {"outcome": "failed", "reason": output, "faults": {}}
    if result["outcome"] == "failed":
        result["reason"] += f"\n{output}"
    if keep and result["outcome"] == "failed":
        print(f"    kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, metavar=("NAME", "FOLDER", "RESULT"), help=argparse.SUPPRESS)
    parser.add_argument("--report", help="file for the result as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the folders of failed tests")
    parser.add_argument("pattern", nargs="?", default="", help="run only tests whose name holds this")
    options = parser.parse_args()
    if options.one:
        sys.path.insert(0, str(HERE))
        run_one(*options.one)
        return 0

    report = {"passed": 0, "failed": 0, "skipped": [], "faults": {}}
    for name in (name for name in discover() if options.pattern in name):
        begin = time.monotonic()
        result = run_apart(name, options.keep)
        seconds = time.monotonic() - begin
        print(f"{result['outcome']:>8} [{seconds:6.1f} s] {name}", flush=True)
        if result["outcome"] == "skipped":
            report["skipped"].append([name, result["reason"]])
            print(f"    SKIPPED: {result['reason']}")
        else:
            report[result["outcome"]] += 1
        if result["outcome"] == "failed":
            print(result["reason"][-OUTPUT_CHARACTERS_MAX:], flush=True)
        for kind, count in result["faults"].items():
            report["faults"][kind] = report["faults"].get(kind, 0) + count
    counts = f"{report['passed']} passed, {report['failed']} failed, {len(report['skipped'])} skipped"
    print(f"functional: {counts}")
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(report["faults"].items()))
    print(f"faults injected: {faults or 'none'}")
    if options.report:
        pathlib.Path(options.report).write_text(json.dumps(report), encoding="utf-8")
    return 0 if report["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
