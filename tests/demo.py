#!/usr/bin/env python3
"""The demonstration behind `make demo`: a private network of three nodes on which people pay.

Everything is real: processes and folders of their own, libp2p over loopback (A - B over TCP, B - C over
QUIC), Equi-X proof of work, RocksDB. Ends with a summary of one screen and exit code 0, or with the reason
and exit code 1. `--keep` leaves the folders in place.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "functional"))

import lab as laboratory
from lab import Lab, binary, disk_bytes, environment, wait_until

NETWORK = "dev"
# What a transaction may take along a line of three nodes (ms).
DELIVERED_MS_MAX = 3000
# A block takes a second on average; a loaded machine and bad luck take longer (seconds).
MINING_PATIENCE_S = 180


def say(text):
    print(text, flush=True)


class Person:
    """A profile: wallet and conversations, talking to one node."""

    def __init__(self, lab, name, node):
        self.lab, self.name, self.node = lab, name, node
        self.folder = lab.folder / f"profile-{name}"
        self.password = lab.secret_file(f"{name}.password", f"{name} opens the door\n")

    def arguments(self, *command, online=True):
        node = ["--node-datadir", str(self.node.datadir)] if online else []
        return [
            *command, "--network", NETWORK, "--datadir", str(self.folder),
            "--password-file", str(self.password), *node,
        ]

    def json(self, *command, online=True, **options):
        return self.lab.json(*self.arguments(*command, online=online), **options)

    def create(self):
        self.address = self.json("wallet", "new")["address"]
        return self

    def balance(self):
        return int(self.json("wallet", "balance")["confirmed"])

    def send(self, to, amount):
        """Sends coins; returns the transaction's id and when the command was given (ms)."""
        given = int(time.time() * 1000)
        sent = self.json("wallet", "send", "--to", to.address, "--amount", amount,
                         seconds=MINING_PATIENCE_S)
        return sent["tx_id"], given


class Miner:
    """`chainchat mine` for one node."""

    def __init__(self, lab, node, address):
        self.log = (lab.folder / "miner.log").open("ab")
        self.process = subprocess.Popen(
            [str(binary()), "mine", "--network", NETWORK, "--node-datadir", str(node.datadir),
             "--address", address, "--threads", "1"],
            stdout=self.log, stderr=self.log, cwd=lab.folder, env=environment(),
        )
        lab.started.append(self)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=laboratory.PATIENCE_S)
        self.log.close()


def start_line(lab):
    """Nodes A - B - C, the second link over QUIC."""
    a = lab.node("node-a", NETWORK).start()
    quic = "/ip4/127.0.0.1/udp/0/quic-v1"
    b = lab.node("node-b", NETWORK, "--p2p-listen", quic, "--connect", a.address()).start()
    over_quic = next(address for address in b.endpoints["p2p"] if "quic" in address)
    c = lab.node("node-c", NETWORK, "--connect", over_quic).start()
    for node, peers in ((a, 1), (b, 2), (c, 1)):
        wait_until(lambda node=node, peers=peers: node.rpc("node_getInfo")["peers"] >= peers,
                   f"{node.name} to find its peers")
    transports = {peer["transport"] for peer in c.rpc("node_getPeers")}
    assert any("quic" in transport for transport in transports), transports
    return a, b, c


def same_state(*nodes):
    """Waits for all nodes to be at one block and to have one state hash there."""
    def equal():
        states = [node.rpc("chain_getStateHash") for node in nodes]
        return states[0] if all(state == states[0] for state in states) else None
    return wait_until(equal, "equal state hashes", seconds=MINING_PATIENCE_S)


def watch(node, tx_id, given_ms):
    """Milliseconds until a node at the other end knew a transaction, and until it was in a block."""
    def known(in_block):
        try:
            status = node.rpc("chain_getTransaction", id=tx_id)
        except laboratory.RpcError:
            return None
        return int(time.time() * 1000) if status.get("in_block") or not in_block else None
    delivered = wait_until(lambda: known(False), "the transaction at the other end", step=0.01)
    in_block = wait_until(lambda: known(True), "a block with it", MINING_PATIENCE_S, step=0.01)
    return delivered - given_ms, in_block - given_ms


def pay(times, sender, receiver, amount, far_node):
    tx_id, given = sender.send(receiver, amount)
    delivered, in_block = watch(far_node, tx_id, given)
    times.append((f"{sender.name} to {receiver.name}", amount, delivered, in_block))
    say(f"   delivered after {delivered} ms, in a block after {in_block} ms (the receiver's node)")
    assert delivered < DELIVERED_MS_MAX, f"delivered after {delivered} ms"


def demonstrate(lab):
    times = []
    say("1. Three nodes in a line: A - B over TCP, B - C over QUIC")
    a, b, c = start_line(lab)

    say("2. Alice and Bob make wallets, with 24 words each; a miner mines for Alice at node A")
    alice, bob = Person(lab, "alice", a).create(), Person(lab, "bob", c).create()
    miner = Miner(lab, a, alice.address)
    wait_until(lambda: c.tip()["height"] >= 10, "ten blocks at node C", MINING_PATIENCE_S)

    say("3. Alice sends Bob 1.5 X3C from one end of the line to the other")
    pay(times, alice, bob, "1.5", c)
    wait_until(lambda: bob.balance() == 150_000_000, "Bob's coins", MINING_PATIENCE_S, step=0.5)

    say("4. Bob sends half an X3C back")
    pay(times, bob, alice, "0.5", a)

    say("5. The words bring Bob's coins back on another device")
    wait_until(lambda: 0 < bob.balance() < 100_000_000, "Bob's change", MINING_PATIENCE_S, step=0.5)
    _, words, _ = lab.run(*bob.arguments("wallet", "words", online=False))
    words = words.strip()
    copy = Person(lab, "bob-again", b)
    restored = lab.json(
        *copy.arguments("wallet", "restore", "--words-file", "-"), stdin=words + "\n")
    assert restored["address"] == bob.address
    wait_until(lambda: copy.balance() == bob.balance(), "equal balances", step=0.5)

    say("6. A fourth, fresh node catches up")
    fresh = lab.node("node-d", NETWORK, "--connect", b.address()).start()
    wait_until(lambda: fresh.tip()["height"] >= a.tip()["height"] - 1, "node D to sync",
               MINING_PATIENCE_S)
    miner.close()
    state = same_state(a, b, c, fresh)
    supply = a.rpc("chain_getSupply")
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"]), supply

    say("7. Nobody's words lie open in any folder, and nobody was banned")
    searched = 0
    for _, data in disk_bytes(lab.folder):
        assert words.encode() not in data, "a folder holds Bob's words"
        searched += len(data)
    for node in (a, b, c, fresh):
        assert node.rpc("node_listBanned") == [], f"{node.name} banned an honest peer"
        assert node.stop() == 0, f"{node.name} did not stop cleanly"
    return times, state, searched


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the folders in place")
    options = parser.parse_args()
    begin = time.monotonic()
    folder = tempfile.mkdtemp(prefix="x3c-demo-")
    lab = Lab(folder)
    try:
        times, state, searched = demonstrate(lab)
    except Exception as error:  # whatever it was: nothing may be left running
        say(f"\nThe demonstration failed: {type(error).__name__}: {error}")
        say(f"Logs and folders: {folder}")
        lab.close()
        return 1
    lab.close()
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=os.name == "nt")

    say(f"\n{'payment':<16}{'X3C':>7}{'delivered':>12}{'in block':>12}")
    for who, amount, delivered, in_block in times:
        say(f"{who:<16}{amount:>7}{delivered:>9} ms{in_block:>9} ms")
    say(f"four nodes at height {state['height']} with state hash {state['state_hash'][:16]}...")
    say(f"no secret words in {searched / 1e6:.1f} MB of data folders")
    say(f"done in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
