"""People with bonds and masternodes, and the nodes that vote and sign for them."""

from lab import wait_until
from people import MINING_PATIENCE_S

# Blocks of a term on dev (genesis/src/dev.rs).
DEV_TERM = 16


class Staker:
    """A node with keys of its own that vote and sign; whoever pays owns what they vote with."""

    def __init__(self, lab, name, *arguments):
        self.lab, self.name = lab, name
        self.stake_key = lab.folder / f"{name}.stake.key"
        self.operator_key = lab.folder / f"{name}.operator.key"
        self.voting_key = lab.folder / f"{name}.voting.key"
        lab.json("stake", "keygen", "--network", "dev", "--out", self.stake_key)
        for key in (self.operator_key, self.voting_key):
            lab.json("masternode", "keygen", "--network", "dev", "--out", key)
        self.node = lab.node(
            name, "dev", "--stake-key", str(self.stake_key), "--operator-key",
            str(self.operator_key), *arguments,
        )

    def bond(self, payer, amount):
        """Bonds coins of `payer` for this node's votes; returns the bond's number."""
        made = payer.json("stake", "bond", "--amount", amount, "--vote-key-file",
                          str(self.stake_key), "--wait", "in_block")
        return made["bond"]

    def register(self, payer):
        """Registers a masternode of `payer` that this node signs for; returns its number."""
        made = payer.json("masternode", "register", "--operator-key-file", str(self.operator_key),
                          "--voting-key-file", str(self.voting_key), "--wait", "in_block")
        return made["masternode"]


def finality(node):
    return node.rpc("chain_getFinality")


def final_height(node):
    return finality(node)["finalized"]["height"]


def wait_for_finality(node, above, seconds=MINING_PATIENCE_S):
    """Waits for a block above this height to be final; returns its height."""
    def reached():
        height = final_height(node)
        return height if height > above else None
    return wait_until(reached, f"a final block above {above}", seconds, step=0.5)


def proofs_of_misbehaviour(node):
    """How many of them stand in all blocks of a node's chain."""
    blocks = (node.rpc("chain_getBlock", height=height) for height in range(node.height() + 1))
    return sum(block["evidence"] for block in blocks)
