#!/usr/bin/env python3
"""Measures how long a real node takes to answer again at 10,000 blocks.

Prints JSON: seconds from starting the process to its first answer over RPC, once after an orderly stop and
once after SIGKILL in each round. `make build` must have been run.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "functional"))

from lab import Lab  # noqa: E402

BLOCKS = 10_000
# Blocks made by one call: well below what a call may last.
BLOCKS_PER_CALL = 500


def timed_start(node, height):
    """Seconds from the start of the process to its first answer, which must name the height."""
    begin = time.monotonic()
    node.start()
    found = node.height()
    seconds = time.monotonic() - begin
    assert found == height, f"at height {found} after the restart, was at {height}"
    return seconds


def measure(lab, rounds):
    node = lab.node("node").start()
    while node.height() < BLOCKS:
        node.generate(min(BLOCKS_PER_CALL, BLOCKS - node.height()))
    height = node.height()
    after_stop, after_kill = [], []
    for _ in range(rounds):
        code = node.stop()
        assert code == 0, f"the node stopped with {code}"
        after_stop.append(timed_start(node, height))
        # The log holds new blocks when the process is killed.
        node.generate(10)
        height += 10
        node.kill()
        after_kill.append(timed_start(node, height))
    return {"blocks": height, "after_stop_s": after_stop, "after_kill_s": after_kill}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="x3c-") as folder:
        lab = Lab(folder)
        try:
            found = measure(lab, rounds)
        finally:
            lab.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
