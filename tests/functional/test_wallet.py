"""Wallets on the command line: coins are mined, sent and seen; wrong passwords and damage have names."""

import json

from lab import flip_bit, wait_until

PASSWORD = "correct horse\n"


class Wallet:
    """A profile with a wallet, and the node it asks."""

    def __init__(self, lab, name, node):
        self.lab, self.node, self.folder = lab, node, lab.folder / name
        self.password = lab.secret_file(f"{name}.password", PASSWORD)

    def arguments(self, *command):
        return [
            *command, "--network", "regtest", "--datadir", str(self.folder), "--password-file",
            str(self.password),
        ]

    def online(self, *command):
        return [*self.arguments(*command), "--node-datadir", str(self.node.datadir)]

    def new(self):
        self.address = self.lab.json(*self.online("wallet", "new"))["address"]
        return self

    def balance(self):
        return self.lab.json(*self.online("wallet", "balance"))


def named(words):
    """Reason and detail of a failure under `--json`."""
    failure = json.loads(words.strip().splitlines()[-1])
    return f"{failure['reason']} {failure['detail']}".lower()


def snapshot(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_mined_coins_are_sent_and_seen(lab):
    node = lab.node("node").start()
    alice, bob = Wallet(lab, "alice", node).new(), Wallet(lab, "bob", node).new()
    node.rpc("dev_generate", count=3, address=alice.address)
    supply = node.rpc("chain_getSupply")
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"])
    mined = int(alice.balance()["confirmed"])
    assert mined > 0 and mined <= int(supply["supply"])

    sent = lab.json(*alice.online("wallet", "send", "--to", bob.address, "--amount", "0.25"))
    assert sent["tx_id"] in node.rpc("mempool_get")["transactions"]
    node.generate(1)
    assert node.rpc("chain_getTransaction", id=sent["tx_id"])["in_block"]
    assert int(bob.balance()["confirmed"]) == 25_000_000
    after = alice.balance()
    assert int(after["confirmed"]) < mined - 25_000_000, "the fee is missing"
    assert int(after["pending"]) == 0
    supply = node.rpc("chain_getSupply")
    assert int(supply["burned"]) > 0
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"])
    history = lab.json(*bob.online("wallet", "history"))
    assert len(history) >= 1


def test_a_reorg_takes_coins_back_and_the_order_goes_on(lab):
    node = lab.node("node").start()
    alice, bob = Wallet(lab, "alice", node).new(), Wallet(lab, "bob", node).new()
    node.rpc("dev_generate", count=3, address=alice.address)
    lab.json(*alice.online("wallet", "send", "--to", bob.address, "--amount", "0.5"))
    (block,) = node.generate(1)
    assert int(bob.balance()["confirmed"]) == 50_000_000
    node.rpc("dev_invalidateBlock", id=block)
    lab.fault("reorg")
    assert node.height() == 3
    assert int(bob.balance()["confirmed"]) == 0
    node.generate(1)
    wait_until(lambda: int(bob.balance()["confirmed"]) == 50_000_000, "the order in a block again")


def test_words_bring_the_wallet_back(lab):
    node = lab.node("node").start()
    alice = Wallet(lab, "alice", node).new()
    node.rpc("dev_generate", count=2, address=alice.address)
    _, words, _ = lab.run(*alice.arguments("wallet", "words"))
    assert len(words.split()) >= 24
    again = Wallet(lab, "again", node)
    restored = lab.json(*again.online("wallet", "restore", "--words-file", "-"), stdin=words)
    assert restored["address"] == alice.address
    assert again.balance() == alice.balance()
    for word in words.split():
        if len(word) > 5:
            for path, data in snapshot(lab.folder / "alice").items():
                assert word.encode() not in data, f"{path} holds a word"


def test_a_wrong_password_and_a_damaged_wallet_have_names_and_change_nothing(lab):
    node = lab.node("node").start()
    alice = Wallet(lab, "alice", node).new()
    before = snapshot(alice.folder)
    wrong = lab.secret_file("wrong.password", "wrong horse\n")
    command = ["wallet", "words", "--network", "regtest", "--datadir", str(alice.folder)]
    code, _, words = lab.run(*command, "--password-file", wrong, "--json", expect=None)
    assert code != 0
    assert "password" in named(words), words
    assert snapshot(alice.folder) == before, "something was overwritten"

    keystore = max(before, key=lambda path: before[path].startswith(b"CCK1"))
    assert before[keystore].startswith(b"CCK1"), "no keystore in the profile"
    flip_bit(keystore, len(before[keystore]) // 2)
    lab.fault("flipped bit")
    damaged = snapshot(alice.folder)
    code, _, words = lab.run(*alice.arguments("wallet", "words"), "--json", expect=None)
    assert code != 0
    assert "damaged" in named(words), words
    assert snapshot(alice.folder) == damaged, "something was overwritten"
