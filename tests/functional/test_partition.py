"""Networks that fall apart and heal."""

import envelopes
from lab import wait_until


def tcp_port(node):
    """Port of the node's first TCP listener."""
    address = next(address for address in node.endpoints["p2p"] if "/tcp/" in address)
    return int(address.split("/tcp/")[1].split("/")[0])


def together(*nodes):
    tips = [node.tip() for node in nodes]
    return tips[0] if all(tip == tips[0] for tip in tips) else None


def test_a_partition_heals_with_equal_state_hashes(lab):
    a = lab.node("a").start()
    proxy = lab.proxy(("127.0.0.1", tcp_port(a)))
    b = lab.node("b", "regtest", "--connect", proxy.multiaddr()).start()
    wait_until(lambda: b.rpc("node_getInfo")["peers"] == 1, "b to find a")
    a.generate(3)
    wait_until(lambda: together(a, b), "b to follow a")

    chain_id = envelopes.chain_id_of(a)
    assert proxy.cut() > 0, "there was no connection to break"
    wait_until(lambda: b.rpc("node_getInfo")["peers"] == 0, "b to notice")
    on_a, _ = envelopes.submit(a, chain_id)
    a.generate(3)
    on_b, _ = envelopes.submit(b, chain_id)
    b.generate(5)
    assert together(a, b) is None
    assert a.rpc("chain_getEnvelope", id=on_a)["in_block"]

    proxy.heal()
    wait_until(lambda: together(a, b), "one chain", seconds=120)
    assert a.height() == 8, "the longer branch has won"
    assert a.rpc("chain_getStateHash") == b.rpc("chain_getStateHash")
    assert a.rpc("chain_getEnvelope", id=on_b)["in_block"]
    # What the shorter branch had is not lost: it waits again, or stands in a block again.
    assert a.rpc("chain_getEnvelope", id=on_a)["envelope"]["id"] == on_a
    a.generate(1)
    wait_until(lambda: together(a, b), "b to follow a again")
    assert b.rpc("chain_getEnvelope", id=on_a)["in_block"]
    for node in (a, b):
        assert node.rpc("node_listBanned") == [], "an honest peer was banned"


def test_a_message_crosses_a_line_of_three_nodes(lab):
    a = lab.node("a").start()
    quic = "/ip4/127.0.0.1/udp/0/quic-v1"
    b = lab.node("b", "regtest", "--p2p-listen", quic, "--connect", a.address()).start()
    over_quic = next(address for address in b.endpoints["p2p"] if "quic" in address)
    c = lab.node("c", "regtest", "--connect", over_quic).start()
    wait_until(lambda: b.rpc("node_getInfo")["peers"] == 2, "the line")
    a.generate(2)
    wait_until(lambda: together(a, b, c), "one chain")
    name, raw = envelopes.submit(a, envelopes.chain_id_of(a), ack="accepted")

    def seen():
        return name in c.rpc("mempool_get")["envelopes"]

    wait_until(seen, "the envelope at the end of the line")
    c.generate(1)
    wait_until(lambda: together(a, b, c), "one chain")
    found = a.rpc("chain_getEnvelope", id=name)
    assert found["in_block"] and found["envelope"]["raw"] == raw
    for node in (a, b, c):
        assert node.rpc("node_listBanned") == [], "an honest peer was banned"
        scores = [peer["score"] for peer in node.rpc("node_getPeers")]
        assert not any(scores), scores


def test_a_late_node_syncs_to_the_same_state(lab):
    a = lab.node("a").start()
    chain_id = envelopes.chain_id_of(a)
    for _ in range(4):
        envelopes.submit(a, chain_id)
        a.generate(10)
    late = lab.node("late", "regtest", "--connect", a.address()).start()
    wait_until(lambda: together(a, late), "the late node to sync", seconds=120)
    assert a.rpc("chain_getStateHash") == late.rpc("chain_getStateHash")
