"""Five nodes that vote and sign: 40 % of the stake goes, the network falls apart, a voter dies."""

import time

from lab import wait_until
from people import MINING_PATIENCE_S, Miner, Person
from stakers import (
    DEV_TERM, Staker, final_height, finality, proofs_of_misbehaviour, wait_for_finality,
)
from test_partition import tcp_port, together

# How long the network stays apart (seconds).
PARTITION_S = 120


def star(lab):
    """A hub and four nodes that know nobody but the hub, each over a proxy of its own."""
    hub = Staker(lab, "hub", "--connect-only")
    hub.node.start()
    stakers, proxies = [hub], []
    for number in range(1, 5):
        proxy = lab.proxy(("127.0.0.1", tcp_port(hub.node)))
        staker = Staker(lab, f"staker{number}", "--connect-only", "--connect", proxy.multiaddr())
        staker.node.start()
        stakers.append(staker)
        proxies.append(proxy)
    wait_until(lambda: hub.node.rpc("node_getInfo")["peers"] == 4, "the star")
    return stakers, proxies


def seats_of_the_newest(node, blocks=DEV_TERM):
    """Mean number of votes that each of the newest blocks includes."""
    height = node.height()
    newest = range(max(height - blocks + 1, 0), height + 1)
    included = [node.rpc("chain_getBlock", height=height)["votes"] for height in newest]
    return sum(included) / len(included)


def grow(node, blocks, seconds=MINING_PATIENCE_S):
    """Waits until the chain is so much longer."""
    wanted = node.height() + blocks
    wait_until(lambda: node.height() >= wanted, f"{blocks} more blocks", seconds, step=0.2)


def bonds_of(node, numbers):
    return [node.rpc("chain_getBond", bond=number) for number in numbers]


def test_five_stakers_lose_two_fifths_fall_apart_and_become_final_again(lab):
    stakers, proxies = star(lab)
    nodes = [staker.node for staker in stakers]
    hub = nodes[0]
    payer = Person(lab, "payer", hub).create()
    miner = Miner(lab, hub, payer.address)
    # Five bonds of one coin and five masternodes of four, and fees.
    wait_until(lambda: payer.balance() > 27 * 10**8, "coins", 3 * MINING_PATIENCE_S, step=1)
    bonds = [staker.bond(payer, "1") for staker in stakers]
    for staker in stakers:
        staker.register(payer)
    # The last may come a term after the first.
    wait_until(lambda: finality(hub)["rear"]["members"] == 5, "all five in office",
               MINING_PATIENCE_S, step=0.5)
    first = wait_for_finality(hub, 0)
    grow(hub, DEV_TERM)
    with_all = seats_of_the_newest(hub)

    # Two of five are gone: fewer votes, no finality, and yet blocks.
    offline = nodes[3:]
    for node in offline:
        assert node.stop() == 0
    lab.fault("stake offline", 2)
    grow(hub, DEV_TERM)
    with_three = seats_of_the_newest(hub)
    assert 0 < with_three < with_all, (with_three, with_all)
    for node in offline:
        node.start()
    wait_until(lambda: together(*nodes), "those who come back")
    assert wait_for_finality(hub, first) > first

    # Two minutes apart; the miner is on the larger side.
    height, apart = hub.height(), nodes[3:]
    for proxy in proxies[2:]:
        assert proxy.cut() > 0
    end = time.monotonic() + PARTITION_S
    # Meanwhile a voter of the larger side dies.
    time.sleep(10)
    killed = stakers[1]
    killed.node.kill()
    time.sleep(5)
    killed.node.start()
    while time.monotonic() < end:
        time.sleep(1)
    assert hub.height() > height + PARTITION_S // 4, "the larger side goes on"
    assert all(node.height() <= hub.height() for node in apart)
    before = final_height(hub)
    for proxy in proxies[2:]:
        proxy.heal()
    wait_until(lambda: all(node.height() + 2 >= hub.height() for node in apart), "them to follow")
    wait_for_finality(hub, max(before, hub.height()))

    miner.close()
    wait_until(lambda: together(*nodes), "one chain")
    hashes = {node.rpc("chain_getStateHash")["state_hash"] for node in nodes}
    assert len(hashes) == 1, hashes
    assert {final_height(node) for node in nodes} == {final_height(hub)}
    # Nobody voted twice, least of all who was killed.
    assert proofs_of_misbehaviour(hub) == 0
    assert [bond["amount"] for bond in bonds_of(hub, bonds)] == [str(10**8)] * 5
    for node in nodes:
        assert node.rpc("node_listBanned") == [], "an honest peer was banned"
        scores = [peer["score"] for peer in node.rpc("node_getPeers")]
        assert not any(scores), (node.name, scores)
