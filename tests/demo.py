#!/usr/bin/env python3
"""The demonstration behind `make demo`: a private network of three nodes on which people talk.

Everything is real: processes and folders of their own, libp2p over loopback (A - B over TCP, B - C over
QUIC), Equi-X proof of work, RocksDB. Ends with a summary of one screen and exit code 0, or with the reason
and exit code 1. `--keep` leaves the folders in place.
"""

import argparse
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "functional"))

import lab as laboratory
from lab import Lab, binary, disk_bytes, environment, wait_until

NETWORK = "dev"
# What the first mark of a message may take on a line of three nodes (ms).
DELIVERED_MS_MAX = 3000
# A block takes a second on average; a loaded machine and bad luck take longer (seconds).
MINING_PATIENCE_S = 180
GREETING = "The samovar is hot, come over at seven"
ANSWER = "On my way, with the apricot jam"
WHISPER = "Only my own hand may read this line"


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

    def fails(self, *command):
        """Runs a command that must fail; returns its exit code."""
        code, _, _ = self.lab.run(*self.arguments(*command), expect=None)
        assert code != 0, f"{self.name}: {command[:2]} must fail"
        return code

    def create(self):
        self.address = self.json("wallet", "new")["address"]
        return self

    def link(self, conversation, access):
        """A link with keys of a conversation, in a file."""
        file = self.lab.folder / f"{self.name}-{access}.link"
        self.json("chat", "invite", conversation, "--access", access, "--out", str(file))
        return file

    def join(self, link):
        return self.json("chat", "join", "--link-file", str(link))["conversation"]

    def send(self, conversation, text, wait):
        return self.json(
            "chat", "send", conversation, "--text-file", "-", "--wait", wait, "--timeout",
            str(MINING_PATIENCE_S), stdin=text, seconds=MINING_PATIENCE_S + 30,
        )

    def texts(self, conversation):
        return [message["text"] for message in self.json("chat", "read", conversation)]


class Follower:
    """`chat follow` of one person: what it prints, with the time at which it was read."""

    def __init__(self, person, conversation):
        command = person.arguments("chat", "follow", conversation, "--json")
        self.process = subprocess.Popen(
            [str(binary()), *command], stdout=subprocess.PIPE, text=True, cwd=person.lab.folder,
            env=environment(),
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        person.lab.started.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((int(time.time() * 1000), json.loads(line)))

    def states(self, text, last):
        """When a text was seen first and when it reached the state `last`, by this reader's clock."""
        delivered = None
        end = time.monotonic() + MINING_PATIENCE_S
        while True:
            try:
                at, message = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{text!r} did not become {last}") from None
            if message.get("text") != text:
                continue
            if delivered is None:
                delivered = message["received_ms"] - message["sent_ms"]
            if message["state"] == last:
                return delivered, at - message["sent_ms"]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=laboratory.PATIENCE_S)


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


def show(times, who, text, follower):
    delivered, in_block = follower.states(text, "in_block")
    times.append((who, len(text), delivered, in_block))
    say(f"   delivered after {delivered} ms, in a block after {in_block} ms (the reader's clock)")
    assert delivered < DELIVERED_MS_MAX, f"delivered after {delivered} ms"


def demonstrate(lab):
    times = []
    say("1. Three nodes in a line: A - B over TCP, B - C over QUIC")
    a, b, c = start_line(lab)

    say("2. Alice and Bob make wallets, with 24 words each; a miner mines for Alice at node A")
    alice, bob = Person(lab, "alice", a).create(), Person(lab, "bob", c).create()
    miner = Miner(lab, a, alice.address)
    # A stamp refers to a block that is at least eight deep.
    wait_until(lambda: c.tip()["height"] >= 10, "ten blocks at node C", MINING_PATIENCE_S)

    say("3. Alice starts a conversation and gives Bob a link with both keys")
    kitchen = alice.json("chat", "new", "kitchen")["conversation"]
    assert bob.join(alice.link(kitchen, "read_write")) == kitchen

    say("4. Alice writes, Bob reads it at the other end of the line")
    follower = Follower(bob, kitchen)
    alice.send(kitchen, GREETING, "in_block")
    show(times, "alice to bob", GREETING, follower)
    follower.close()

    say("5. Bob answers, Alice reads")
    follower = Follower(alice, kitchen)
    bob.send(kitchen, ANSWER, "in_block")
    show(times, "bob to alice", ANSWER, follower)
    follower.close()

    say("6. Carol has no keys and finds nothing; Dave may only read; Erin may only write")
    carol, dave, erin = (Person(lab, name, b).create() for name in ("carol", "dave", "erin"))
    assert carol.json("chat", "list") == []
    carol.fails("chat", "read", kitchen)
    dave.join(alice.link(kitchen, "read"))
    assert {GREETING, ANSWER} <= set(dave.texts(kitchen))
    dave.fails("chat", "send", kitchen, "--text", "not mine to write")
    erin.join(alice.link(kitchen, "write"))
    erin.send(kitchen, WHISPER, "in_block")
    assert not {GREETING, ANSWER} & set(erin.texts(kitchen)), "a writer reads what others wrote"
    assert WHISPER in alice.texts(kitchen)

    say("7. Alice invites Bob once more, this time to his inbox")
    bob.json("chat", "publish", seconds=MINING_PATIENCE_S)
    garden = alice.json("chat", "new", "garden")["conversation"]

    def invited():
        code, _, _ = lab.run(
            *alice.arguments("chat", "invite", garden, "--access", "read_write", "--to", bob.address),
            "--json", expect=None,
        )
        return code == 0

    wait_until(invited, "Bob's record in a block", MINING_PATIENCE_S, step=1)
    wait_until(lambda: any(item["conversation"] == garden for item in bob.json("chat", "list")),
               "the invitation in Bob's list", MINING_PATIENCE_S, step=1)

    say("8. The words bring Bob's history back on another device")
    _, words, _ = lab.run(*bob.arguments("wallet", "words", online=False))
    copy = Person(lab, "bob-again", c)
    restored = lab.json(*copy.arguments("wallet", "restore", "--words-file", "-"), stdin=words)
    assert restored["address"] == bob.address
    wait_until(lambda: {GREETING, ANSWER} <= set(copy.texts(kitchen)), "Bob's history", step=1)

    say("9. A fourth, fresh node catches up")
    fresh = lab.node("node-d", NETWORK, "--connect", b.address()).start()
    wait_until(lambda: fresh.tip()["height"] >= a.tip()["height"] - 1, "node D to sync",
               MINING_PATIENCE_S)
    miner.close()
    state = same_state(a, b, c, fresh)

    say("10. No text lies open in any folder")
    searched = 0
    for path, data in disk_bytes(lab.folder):
        for text in (GREETING, ANSWER, WHISPER):
            assert text.encode() not in data, f"{path} holds a text"
        searched += len(data)
    for node in (a, b, c, fresh):
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
    except (AssertionError, laboratory.RpcError, RuntimeError, subprocess.SubprocessError) as error:
        say(f"\nThe demonstration failed: {error}")
        say(f"Logs and folders: {folder}")
        lab.close()
        return 1
    lab.close()
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=os.name == "nt")

    say(f"\n{'message':<16}{'bytes':>7}{'delivered':>12}{'in block':>12}")
    for who, size, delivered, in_block in times:
        say(f"{who:<16}{size:>7}{delivered:>9} ms{in_block:>9} ms")
    say(f"four nodes at height {state['height']} with state hash {state['state_hash'][:16]}...")
    say(f"no text in {searched / 1e6:.1f} MB of data folders")
    say(f"done in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
