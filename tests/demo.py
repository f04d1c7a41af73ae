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
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "functional"))

import forgery
import lab as laboratory
from lab import Lab, disk_bytes, wait_until
from people import MINING_PATIENCE_S, Follower, Miner, Person, now_ms
from stakers import Staker, finality, wait_for_finality

NETWORK = "dev"
# Blocks of a rate epoch and the smallest effort of a stamp (genesis/src/dev.rs).
DEV_NUMBERS = (32, 16)
# What the first mark of a message may take along a line of three nodes (ms).
DELIVERED_MS_MAX = 3000
GREETING = "The samovar is hot, come over at seven"
ANSWER = "On my way, with the apricot jam"
WHISPER = "Only my own hand may read this line"
PROMISE = "It is settled: the boat is ours from May on"
LETTER = " ".join(f"Line {number}: what the neighbour's cat did next." for number in range(40))


def say(text):
    print(text, flush=True)


def start_line(lab):
    """Nodes A - B - C, the second link over QUIC; A has keys that vote and sign."""
    staker = Staker(lab, "node-a")
    a = staker.node.start()
    quic = "/ip4/127.0.0.1/udp/0/quic-v1"
    b = lab.node("node-b", NETWORK, "--p2p-listen", quic, "--connect", a.address()).start()
    over_quic = next(address for address in b.endpoints["p2p"] if "quic" in address)
    c = lab.node("node-c", NETWORK, "--connect", over_quic).start()
    for node, peers in ((a, 1), (b, 2), (c, 1)):
        wait_until(lambda node=node, peers=peers: node.rpc("node_getInfo")["peers"] >= peers,
                   f"{node.name} to find its peers")
    transports = {peer["transport"] for peer in c.rpc("node_getPeers")}
    assert any("quic" in transport for transport in transports), transports
    return staker, a, b, c


def same_state(*nodes):
    """Waits for all nodes to be at one block and to have one state hash there."""
    def equal():
        states = [node.rpc("chain_getStateHash") for node in nodes]
        return states[0] if all(state == states[0] for state in states) else None
    return wait_until(equal, "equal state hashes", seconds=MINING_PATIENCE_S)


def show(times, who, text, follower, last="in_block"):
    states = follower.states(text, last)
    times.append((who, len(text.encode()), states))
    words = ", ".join(f"{state} after {at} ms" for state, at in states.items())
    say(f"   {words} (the reader's clock)")
    assert states["delivered"] < DELIVERED_MS_MAX, states


def talk(times, writer, reader, conversation, text, last="in_block"):
    """A message, and what its reader sees of it."""
    follower = Follower(reader, conversation)
    # The reader is at the tip when its first block has gone by.
    time.sleep(1)
    writer.send(conversation, text, last)
    show(times, f"{writer.name} to {reader.name}", text, follower, last)
    follower.close()


def forge(reader, link, network_numbers):
    """Somebody with the read key alone makes an envelope; returns the node's reason against it."""
    node = reader.node
    epoch_blocks, effort = network_numbers
    height = node.tip()["height"]
    reference = max(height - 8, 0) // 16 * 16
    block_id = bytes.fromhex(node.rpc("chain_getHeader", height=reference)["header"]["id"])
    chain_id = bytes.fromhex(node.rpc("node_getInfo")["chain_id"])
    raw = forgery.envelope(link.read_text(), chain_id, (height + 1) // epoch_blocks, reference,
                           block_id, effort, now_ms())
    try:
        node.rpc("envelope_submit", raw=raw.hex())
    except laboratory.RpcError as error:
        return error.data["reason"]
    raise AssertionError("the node took a forged envelope")


def demonstrate(lab):
    times = []
    say("1. Three nodes in a line: A - B over TCP, B - C over QUIC")
    staker, a, b, c = start_line(lab)

    say("2. Alice and Bob make profiles, with 24 words each; a miner mines for Alice at node A")
    alice, bob = Person(lab, "alice", a).create(), Person(lab, "bob", c).create()
    miner = Miner(lab, a, alice.address)
    # A stamp refers to a block that is at least eight deep.
    wait_until(lambda: c.tip()["height"] >= 10, "ten blocks at node C", MINING_PATIENCE_S)

    say("3. Alice bonds a coin that votes and registers a masternode that makes blocks final")
    wait_until(lambda: alice.balance() > 5.2 * 10**8, "5.2 coins", MINING_PATIENCE_S, step=0.5)
    bond, masternode = staker.bond(alice, "1"), staker.register(alice)
    say(f"   bond {bond} and masternode {masternode}, at height {a.tip()['height']}; they count from the "
        "term after next on")

    say("4. Alice starts a conversation and gives Bob a link with both keys; they talk")
    kitchen = alice.begin("kitchen")
    assert bob.join(alice.link(kitchen, "read_write")) == kitchen
    talk(times, alice, bob, kitchen, GREETING)
    talk(times, bob, alice, kitchen, ANSWER)
    # Large enough to burn coins.
    talk(times, alice, bob, kitchen, LETTER)

    say("5. Carol has no keys and finds nothing; Dave may only read; Erin may only write")
    carol, dave, erin = (Person(lab, name, b).create() for name in ("carol", "dave", "erin"))
    assert carol.json("chat", "list") == []
    assert carol.refused("chat", "read", kitchen) == (1, "unknown_conversation")
    reading = alice.link(kitchen, "read")
    dave.join(reading)
    assert {GREETING, ANSWER} <= set(dave.texts(kitchen)), "Dave reads"
    assert dave.refused("chat", "send", kitchen, "--text", "not mine to write") == (1, "read_only")
    reason = forge(dave, reading, DEV_NUMBERS)
    assert reason == "envelope_signature", reason
    say(f"   an envelope forged with the read key alone: the node says {reason}")
    erin.join(alice.link(kitchen, "write"))
    erin.send(kitchen, WHISPER, "in_block")
    assert not {GREETING, ANSWER} & set(erin.texts(kitchen)), "a writer reads what others wrote"
    assert WHISPER in alice.texts(kitchen) and "forger" not in str(alice.messages(kitchen))

    say("6. Alice sends Bob 1.5 X3C, and keys of a second conversation to his inbox")
    paid = alice.json("wallet", "send", "--to", bob.address, "--amount", "1.5", "--wait", "in_block")
    assert paid["state"] in ("in_block", "confirmed", "final"), paid
    bob.json("chat", "publish", "--wait", "in_block")
    garden = alice.begin("garden")
    alice.json("chat", "invite", garden, "--access", "read_write", "--to", bob.address,
               "--wait", "in_block")
    invited = [entry for entry in bob.json("chat", "list") if "invitation" in entry]
    assert [entry["conversation"] for entry in invited] == [garden], invited
    assert invited[0]["from"] == alice.address
    bob.json("chat", "join", "--invitation", invited[0]["invitation"])
    bob.send(garden, "The beans are up", "in_block")
    assert alice.texts(garden) == ["The beans are up"]
    assert bob.balance() > 0

    say("7. The words bring Alice's coins and messages back on another device")
    words = alice.words()
    copy = Person(lab, "alice-again", c).restore(words)
    assert copy.address == alice.address
    assert copy.texts(kitchen) == alice.texts(kitchen), "the same history"
    assert copy.texts(garden) == ["The beans are up"]

    say("8. Stake confirms a message, and masternodes make it final")
    wait_for_finality(c, 0)
    talk(times, alice, bob, kitchen, PROMISE, "final")
    now = finality(c)
    say(f"   level {now['level']}, final up to block {now['finalized']['height']}")

    say("9. A fourth, fresh node catches up")
    fresh = lab.node("node-d", NETWORK, "--connect", b.address()).start()
    wait_until(lambda: fresh.tip()["height"] >= a.tip()["height"] - 1, "node D to sync",
               MINING_PATIENCE_S)
    miner.close()
    state = same_state(a, b, c, fresh)
    assert finality(fresh) == finality(a), "the same blocks are final"
    supply = a.rpc("chain_getSupply")
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"]), supply
    assert int(supply["burned"]) > 0, "the large message burned coins"

    say("10. No text and nobody's words lie open in any folder, and nobody was banned")
    searched = 0
    for path, data in disk_bytes(lab.folder):
        for text in (GREETING, ANSWER, WHISPER, PROMISE, LETTER[:64], words):
            assert text.encode() not in data, f"{path} holds {text[:20]!r}"
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

    shown = ("delivered", "in_block", "confirmed", "final")
    say(f"\n{'message':<16}{'bytes':>7}" + "".join(f"{state:>12}" for state in shown))
    for who, size, states in times:
        columns = (f"{states[state]} ms" if state in states else "-" for state in shown)
        say(f"{who:<16}{size:>7}" + "".join(f"{column:>12}" for column in columns))
    say(f"four nodes at height {state['height']} with state hash {state['state_hash'][:16]}...")
    say(f"no text in {searched / 1e6:.1f} MB of data folders")
    say(f"done in {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
