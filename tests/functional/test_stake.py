"""Bonds and masternodes by command: locked, listed, asleep, awake, paid back; and what is refused.

On regtest a term has 12 blocks, a bond comes back after 48, and blocks are made by command.
"""

import json
import os
import re
import subprocess

from lab import NOBODY, PATIENCE_S, bech32m, binary, environment, wait_until
from people import Background, Person

COIN = 100_000_000
# Below this height no stamp is old enough to be included.
FIRST_HEIGHT = 10
TERM = 12
UNBOND = 48


def started(lab, *names):
    """A node, and people on it of whom the first has coins."""
    node = lab.node("node").start()
    people = [Person(lab, name, node, "regtest").create() for name in names]
    node.rpc("dev_generate", count=30, address=people[0].address)
    return node, *people


def key_file(lab, name, byte):
    return str(lab.secret_file(name, f"{byte:02x}" * 32 + "\n"))


def to_height(node, height):
    node.generate(height - node.height())


def test_a_bond_is_made_sleeps_wakes_and_is_paid_back(lab):
    node, alice, bob = started(lab, "alice", "bob")
    vote_key = key_file(lab, "vote.key", 0x21)
    assert alice.json("wallet", "balance")["locked"] == "0"
    made = alice.json("stake", "bond", "--amount", "3", "--vote-key-file", vote_key)
    assert made["state"] == "delivered" and "bond" not in made, made
    node.generate()
    balance = alice.json("wallet", "balance")
    assert balance["locked"] == str(3 * COIN), balance
    (bond,) = alice.json("stake", "status")["bonds"]
    assert (bond["bond"], bond["amount"], bond["state"]) == (0, str(3 * COIN), "active")
    assert bond["vote_key"] == made["vote_key"] and bond["owner"] == alice.address
    assert node.rpc("chain_getBond", vote_key=made["vote_key"]) == bond
    assert node.rpc("chain_getBonds", address=bob.address)["bonds"] == []

    # From the term after the next boundary on it holds all seats there are.
    assert sum(seat["seats"] for seat in alice.json("stake", "status")["seats_ahead"]) == 0
    first = (node.height() // TERM + 2) * TERM
    to_height(node, first)
    status = alice.json("stake", "status")
    assert [seat["seats"] for seat in status["seats_ahead"]] == [8, 8], status
    (member,) = node.rpc("chain_getCommittee", height=first)["members"]
    assert (member["bond"], member["seats"], member["included"]) == (0, 8, False)
    assert node.rpc("chain_getSeats", **{"from": first, "count": 1})["blocks"][0]["seats"] == 0

    # Nobody votes with its key: it falls asleep with the term, until its owner wakes it.
    assert alice.refused("stake", "wake", "--bond", "0") == (5, "not_dormant")
    to_height(node, first + TERM)
    assert alice.json("stake", "status")["bonds"][0]["state"] == "dormant"
    assert alice.json("stake", "wake", "--bond", "0")["state"] == "delivered"
    node.generate()
    assert alice.json("stake", "status")["bonds"][0]["state"] == "active"

    left = alice.json("stake", "unbond", "--bond", "0")
    assert left["bond"] == 0 and node.generate()
    release = node.height() + UNBOND
    (bond,) = alice.json("stake", "status")["bonds"]
    assert (bond["state"], bond["release_height"]) == ("leaving", release)
    assert alice.refused("stake", "unbond", "--bond", "0") == (5, "already_leaving")
    before = alice.balance()
    to_height(node, release)
    assert alice.json("stake", "status")["bonds"] == []
    after = alice.json("wallet", "balance")
    assert after["locked"] == "0"
    assert int(after["confirmed"]) == before + 3 * COIN
    assert alice.refused("stake", "unbond", "--bond", "0") == (5, "unknown_bond")
    kinds = [row.get("service") for row in alice.json("wallet", "history")]
    assert [kind for kind in kinds if kind] == ["unbond", "wake", "bond"], kinds
    supply = node.rpc("chain_getSupply")
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"])


def test_orders_of_stake_that_make_no_sense_have_names(lab):
    node, alice, bob = started(lab, "alice", "bob")
    vote_key = key_file(lab, "vote.key", 0x21)
    bond = ("stake", "bond", "--vote-key-file", vote_key, "--amount")
    assert alice.refused(*bond, "0.99999999") == (1, "bond_amount")
    assert alice.refused(*bond, "1000") == (1, "cannot_pay")
    assert bob.refused(*bond, "1") == (1, "cannot_pay")
    for name, text in (("empty", ""), ("short", "21" * 31), ("zero", "00" * 32), ("words", "a key")):
        file = str(lab.secret_file(f"{name}.key", text))
        command = ("stake", "bond", "--amount", "1", "--vote-key-file", file)
        assert alice.refused(*command) == (2, "bad_key_file"), name
    command = ("stake", "bond", "--amount", "1", "--vote-key-file", str(lab.folder / "nowhere"))
    assert alice.refused(*command) == (2, "bad_file")
    if os.name != "nt":
        exposed = lab.secret_file("exposed.key", "21" * 32)
        exposed.chmod(0o640)
        command = ("stake", "bond", "--amount", "1", "--vote-key-file", str(exposed))
        assert alice.refused(*command) == (3, "key_exposed"), "as a node would say"
    assert node.rpc("mempool_get")["transactions"] == []
    assert alice.json(*bond, "1")["state"] == "delivered"
    node.generate()
    assert alice.refused(*bond, "1") == (5, "vote_key_used")
    assert alice.json("wallet", "balance")["pending"] == "0", "a refused order still waits"
    assert alice.refused("stake", "unbond", "--bond", "7") == (5, "unknown_bond")
    alice.json("wallet", "send", "--to", bob.address, "--amount", "1")
    node.generate()
    assert bob.refused("stake", "unbond", "--bond", "0") == (5, "not_owner")
    assert bob.refused("masternode", "exit", "--masternode", "0") == (5, "unknown_masternode")
    operator = key_file(lab, "operator.key", 0x31)
    register = ("masternode", "register", "--operator-key-file", operator)
    assert alice.refused(*register, "--voting-key-file", operator) == (1, "masternode_keys")
    assert bob.refused(*register) == (1, "cannot_pay")
    elsewhere = bech32m.encode("dx3c", bytes([7]) * 20)
    assert alice.refused(*register, "--payout", elsewhere) == (2, "bad_address")


def test_a_masternode_serves_is_banned_revived_and_retired(lab):
    node, alice = started(lab, "alice")
    operator = key_file(lab, "operator.key", 0x31)
    made = alice.json("masternode", "register", "--operator-key-file", operator, "--payout", NOBODY,
                      "--service-address", "192.0.2.7:31210")
    voting = lab.folder / "operator.key.voting"
    assert made["voting_key_file"] == str(voting) and len(voting.read_text().strip()) == 64
    assert voting.stat().st_mode & 0o077 == 0, "others may read the voting key"
    node.generate()
    (found,) = alice.json("masternode", "status")["masternodes"]
    assert (found["masternode"], found["state"], found["collateral"]) == (0, "active", str(4 * COIN))
    assert (found["payout"], found["service_address"]) == (NOBODY, "192.0.2.7:31210")
    assert found["operator_key"] == made["operator_key"]
    assert alice.json("wallet", "balance")["locked"] == str(4 * COIN)
    again = ("masternode", "register", "--operator-key-file", operator)
    assert alice.refused(*again) == (5, "masternode_key_used")
    revive = ("masternode", "revive", "--masternode", "0", "--operator-key-file", operator)

    # In office from the second boundary on; nobody signs with its key, and after two full terms
    # it is banned.
    office = (node.height() // TERM + 2) * TERM
    to_height(node, office)
    status = alice.json("masternode", "status")
    assert status["masternodes"][0]["front"] and status["finality"]["front"]["members"] == 1
    assert status["finality"]["finalized"]["number"] == 0
    to_height(node, office + 4 * TERM)
    (found,) = alice.json("masternode", "status")["masternodes"]
    assert (found["state"], found["penalty"]) == ("banned", 100), found

    # Its operator revives it from an account of its own, which needs coins first.
    arguments = [*alice.arguments(*revive), "--json"]
    code, _, stderr = lab.run(*arguments, expect=None)
    failure = json.loads(stderr.strip().splitlines()[-1])
    assert (code, failure["reason"]) == (1, "cannot_pay"), failure
    (payer,) = set(re.findall(r"rx3c1[0-9a-z]+", failure["detail"]))
    alice.json("wallet", "send", "--to", payer, "--amount", "0.5")
    node.generate()
    assert alice.json(*revive)["state"] == "delivered"
    node.generate()
    (found,) = alice.json("masternode", "status")["masternodes"]
    assert (found["state"], found["penalty"]) == ("active", 0), found
    assert alice.refused(*revive) == (5, "not_banned")

    left = alice.json("masternode", "exit", "--masternode", "0")
    assert left["masternode"] == 0 and node.generate()
    (found,) = alice.json("masternode", "status")["masternodes"]
    assert (found["state"], found["release_height"]) == ("leaving", node.height() + UNBOND)
    assert alice.refused("masternode", "exit", "--masternode", "0") == (5, "already_leaving")
    # Its roster stalled and nobody could take over, so that it ended, and the collateral comes back.
    to_height(node, found["release_height"] + TERM)
    assert node.rpc("chain_getFinality")["front"]["members"] == 0
    assert alice.json("masternode", "status")["masternodes"] == []
    assert alice.json("wallet", "balance")["locked"] == "0"


def refused_in_a_block(lab, node, person, *command):
    """A command that waits for too much; a block takes what it sent. Returns exit code and reason."""
    process = subprocess.Popen(
        [str(binary()), *person.arguments(*command), "--json"], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, cwd=lab.folder, env=environment(),
    )
    lab.started.append(Background(process))

    def is_sent():
        waiting = node.rpc("mempool_get")
        return waiting["transactions"] or waiting["envelopes"]

    wait_until(is_sent, "the command to send something")
    node.generate()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    return process.returncode, json.loads(stderr.strip().splitlines()[-1])["reason"]


def test_waiting_for_stake_that_nobody_has_ends_with_its_own_word(lab):
    node, alice = started(lab, "alice")
    kitchen = alice.begin("kitchen")
    node.generate()
    payment = ("wallet", "send", "--to", NOBODY, "--amount", "0.1")
    message = ("chat", "send", kitchen, "--text", "hello")
    for command in (payment, message):
        for state, word in (("confirmed", "no_committee"), ("final", "no_finality")):
            wait = ("--wait", state, "--timeout", "10")
            assert refused_in_a_block(lab, node, alice, *command, *wait) == (1, word), command
    # In no block at all: that is another word.
    assert alice.refused(*payment, "--wait", "final", "--timeout", "1") == (1, "timeout")
