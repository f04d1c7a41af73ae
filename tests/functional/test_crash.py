"""Nodes that are killed: nothing that was acknowledged as durable is lost."""

import contextlib
import os
import random
import signal
import threading
import time
import urllib.error

import envelopes
from lab import Skip, wait_until

KILLS = 20
SEED = 20261120
# Points inside a commit, with the pass at which the process ends.
COMMIT_POINTS = [
    "store.commit.before_write:3",
    "store.commit.after_write:3",
    "store.commit.before_write:5",
    "store.commit.after_write:5",
    "store.pending.before_write:4",
    "store.pending.after_write:4",
]
START_POINTS = ["store.open.locked:1", "store.open.recovered:1"]
# Kinds of broken conversation with a process that just died.
GONE = (urllib.error.URLError, ConnectionError, TimeoutError, OSError)


class Writer:
    """Submits durable envelopes and makes blocks until the node is gone."""

    def __init__(self, node, chain_id, ledger):
        self.node, self.chain_id, self.ledger = node, chain_id, ledger
        self.last_ack = None
        self.failure = None
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def _write(self):
        try:
            while self.node.is_running():
                name, raw = envelopes.submit(self.node, self.chain_id)
                self.ledger[name] = raw
                self.last_ack = time.monotonic()
                if len(self.ledger) % 2 == 0:
                    self.node.generate()
        except GONE:
            pass  # the node died in the middle of an answer; the envelope was not acknowledged
        except Exception as error:
            self.failure = error

    def join(self):
        self.thread.join(timeout=60)
        assert not self.thread.is_alive(), "the writer is stuck"
        if self.failure:
            raise self.failure


def assert_all_there(node, ledger):
    for name, raw in ledger.items():
        found = node.rpc("chain_getEnvelope", id=name)
        assert found["envelope"]["raw"] == raw, f"{name} changed"


def run_until_point(lab, node, chain_id, ledger, point):
    node.start(env={"X3C_KILL_AT": point})
    writer = Writer(node, chain_id, ledger)
    wait_until(lambda: not node.is_running(), f"the process to end at {point}")
    writer.join()
    assert node.process.returncode == -signal.SIGABRT, node.process.returncode
    lab.fault("kill inside a commit")
    return writer


def run_until_start_point(lab, node, point):
    node.start(env={"X3C_KILL_AT": point}, wait=False)
    wait_until(lambda: not node.is_running(), f"the process to end at {point}")
    assert node.process.returncode == -signal.SIGABRT, node.process.returncode
    lab.fault("kill during a start")


def run_until_kill(node, chain_id, ledger, chance):
    node.start()
    writer = Writer(node, chain_id, ledger)
    before = len(ledger)
    wait_until(lambda: len(ledger) > before, "an acknowledgement")
    time.sleep(chance.uniform(0, 0.8))
    node.kill()
    killed = time.monotonic()
    writer.join()
    assert writer.last_ack and killed - writer.last_ack < 1, "no acknowledgement just before"


def test_twenty_kills_lose_no_durable_message(lab):
    if os.name == "nt":
        raise Skip("kill -9 and abort are told apart by Unix exit codes")
    chance = random.Random(SEED)
    node = lab.node("node")
    node.start()
    chain_id = envelopes.chain_id_of(node)
    node.generate(2)
    assert node.stop() == 0
    ledger = {}

    turns = [("commit", point) for point in COMMIT_POINTS] + [("start", p) for p in START_POINTS]
    turns += [("any", None)] * (KILLS - len(turns))
    chance.shuffle(turns)
    for kind, point in turns:
        if kind == "commit":
            run_until_point(lab, node, chain_id, ledger, point)
        elif kind == "start":
            run_until_start_point(lab, node, point)
        else:
            run_until_kill(node, chain_id, ledger, chance)
        node.start()
        assert_all_there(node, ledger)
        node.generate()
        node.kill() if chance.random() < 0.2 else node.stop()

    node.start()
    node.generate(2)
    assert_all_there(node, ledger)
    for name in ledger:
        assert node.rpc("chain_getEnvelope", id=name)["in_block"], f"{name} is in no block"
    assert_same_as_twin(lab, node)
    assert lab.faults["kill inside a commit"] >= 5
    assert lab.faults["kill during a start"] >= 2
    assert sum(lab.faults.values()) >= KILLS
    assert len(ledger) >= KILLS


def assert_same_as_twin(lab, node):
    """A node that was never killed and gets the same blocks has the same state."""
    twin = lab.node("twin").start()
    for height in range(1, node.height() + 1):
        block = node.rpc("chain_getBlock", height=height, raw=True)
        twin.rpc("chain_submitBlock", raw=block["raw"])
    assert twin.rpc("chain_getStateHash") == node.rpc("chain_getStateHash")


def test_a_clean_stop_loses_nothing_and_cleans_up(lab):
    node = lab.node("node").start()
    chain_id = envelopes.chain_id_of(node)
    node.generate(1)
    name, raw = envelopes.submit(node, chain_id)
    before = node.rpc("chain_getStateHash")
    assert (node.datadir / "endpoints.json").exists()
    assert node.stop() == 0
    assert not (node.datadir / "endpoints.json").exists()
    node.start()
    assert node.rpc("chain_getStateHash") == before
    assert node.rpc("chain_getEnvelope", id=name)["envelope"]["raw"] == raw
    with contextlib.suppress(*GONE):
        node.rpc("node_stop")
    assert node.process.wait(timeout=60) == 0
