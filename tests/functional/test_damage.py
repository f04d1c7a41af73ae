"""Data folders that are damaged, locked or somebody else's."""

import random

import envelopes
from lab import copy_folder, flip_bit, wait_until

FLIPS = 30
SEED = 20261120
# Exit code for a folder that is locked or damaged.
FOLDER = 3


def live_files(folder):
    """Files of the database that are read at a start or later, not logs."""
    skipped = (".log.old", "LOG", "LOG.old", "LOCK", ".cookie", "IDENTITY")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    return [path for path in files if path.name not in skipped]


def test_thirty_flipped_bits_end_in_the_same_state_or_a_named_error(lab):
    chance = random.Random(SEED)
    node = lab.node("whole").start()
    chain_id = envelopes.chain_id_of(node)
    known = {}
    for _ in range(12):
        name, raw = envelopes.submit(node, chain_id)
        known[name] = raw
        node.generate(4)
    before = node.rpc("chain_getStateHash")
    assert node.stop() == 0

    same = named = 0
    for turn in range(FLIPS):
        damaged = lab.node(f"damaged-{turn}")
        copy_folder(node.datadir, damaged.datadir)
        path = chance.choice(live_files(damaged.datadir))
        flip_bit(path, chance.randrange(path.stat().st_size), chance.randrange(8))
        lab.fault("flipped bit")
        damaged.start(wait=False)
        wait_until(lambda: not damaged.is_running() or (damaged.datadir / "endpoints.json").exists(),
                   f"an answer after a flip in {path.name}")
        if damaged.is_running():
            damaged.adopt()
            same += holds(damaged, before, known)
            named += 0 if damaged.is_running() else 1
        else:
            words = damaged.tail()
            assert damaged.process.returncode > 0, f"{path.name}: {words}"
            assert words.strip() and "panicked" not in words, f"{path.name}: no named error: {words}"
            named += 1
        damaged.close()
    assert lab.faults["flipped bit"] == FLIPS
    assert same + named == FLIPS, f"{same} the same, {named} named errors of {FLIPS}"
    assert named > 0, "no flip was noticed: the bits were not in live data"


def holds(node, before, known):
    """Whether the node shows the state it had; what it cannot read it names and never invents."""
    from lab import RpcError

    try:
        after = node.rpc("chain_getStateHash", height=before["height"])
        assert after == before, f"{node.name}: another state is served as true"
        for name, raw in known.items():
            assert node.rpc("chain_getEnvelope", id=name)["envelope"]["raw"] == raw
    except RpcError as error:
        assert error.data.get("reason"), error
        return 1
    except OSError:
        wait_until(lambda: not node.is_running(), "the node to stop")
        assert node.process.returncode > 0 and "panicked" not in node.tail(), node.tail()
        return 0
    return 1


def test_a_folder_has_one_holder_and_one_network(lab):
    node = lab.node("node").start()
    node.generate(1)
    code, _, words = lab.run(
        "node", "--network", "regtest", "--datadir", node.datadir, "--p2p-listen",
        "/ip4/127.0.0.1/tcp/0", "--rpc-listen", "127.0.0.1:0", expect=FOLDER,
    )
    assert str(node.process.pid) in words, f"the holder is not named ({code}): {words}"
    assert node.stop() == 0
    _, _, words = lab.run(
        "node", "--network", "dev", "--datadir", node.datadir, "--p2p-listen",
        "/ip4/127.0.0.1/tcp/0", "--rpc-listen", "127.0.0.1:0", expect=FOLDER,
    )
    assert "regtest" in words, words
    node.start()
    assert node.height() == 1
