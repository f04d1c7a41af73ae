"""Conversations through real processes: states, access, second attempts, and profiles that die or are copied.

On regtest blocks are made by command, so every step stands where the test puts it.
"""

import signal
import time

import forgery
from lab import RpcError, copy_folder, wait_until
from people import Follower, Person

# Below this height no stamp is old enough to be included.
FIRST_HEIGHT = 10
RATE_EPOCH_BLOCKS = 16


def started(lab, *names):
    """A node at a height where stamps are accepted, and people on it."""
    node = lab.node("node").start()
    node.generate(FIRST_HEIGHT)
    return node, *(Person(lab, name, node, "regtest").create() for name in names)


def joined(owner, *members, access="read_write", name="kitchen"):
    conversation = owner.begin(name)
    for member in members:
        assert member.join(owner.link(conversation, access)) == conversation
    return conversation


def states(person, conversation):
    return {message["text"]: message["state"] for message in person.messages(conversation)}


def test_a_message_goes_through_its_states_and_falls_back_after_a_reorganisation(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    sent = alice.send(kitchen, "hello")
    assert sent["state"] == "delivered" and "delivered" in sent["times_ms"], sent
    assert states(bob, kitchen) == {"hello": "delivered"}
    (block,) = node.generate()
    (message,) = bob.messages(kitchen)
    assert (message["state"], message["height"]) == ("in_block", FIRST_HEIGHT + 1), message
    assert message["id"] == sent["id"] and message["author"] == alice.address
    assert not message["own"] and alice.messages(kitchen)[0]["own"]
    node.rpc("dev_invalidateBlock", id=block)
    lab.fault("reorg")
    assert states(bob, kitchen) == {"hello": "delivered"}
    assert states(alice, kitchen) == {"hello": "delivered"}
    node.generate()
    assert states(bob, kitchen) == states(alice, kitchen) == {"hello": "in_block"}


def test_answers_limits_and_names(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    first = alice.send(kitchen, "one")["id"]
    node.generate()
    answer = bob.json("chat", "send", "kitchen", "--text", "two", "--reply-to", first[:12])["id"]
    node.generate()
    for text in ("three", "four"):
        alice.send("kitchen", text)
    node.generate()
    assert bob.texts("kitchen") == ["one", "two", "three", "four"]
    assert bob.messages(kitchen)[1]["reply_to"] == first
    tail = bob.json("chat", "read", kitchen, "--limit", "1")
    assert [message["text"] for message in tail] == ["four"]
    after = bob.json("chat", "read", kitchen, "--after", answer)
    assert [message["text"] for message in after] == ["three", "four"]
    assert bob.refused("chat", "read", kitchen, "--after", "00" * 32) == (1, "not_sent")
    assert bob.refused("chat", "send", kitchen, "--text", "") == (1, "not_sent")
    assert bob.refused("chat", "read", "nowhere") == (1, "unknown_conversation")
    alice.begin("kitchen")
    assert alice.refused("chat", "read", "kitchen") == (1, "ambiguous")


def test_access_is_what_was_handed_over(lab):
    node, alice, reader, writer, stranger = started(lab, "alice", "reader", "writer", "stranger")
    kitchen = joined(alice, reader, access="read")
    alice.send(kitchen, "for readers")
    node.generate()
    assert reader.texts(kitchen) == ["for readers"]
    assert reader.refused("chat", "send", kitchen, "--text", "no") == (1, "read_only")
    invite = ("chat", "invite", kitchen, "--access", "write")
    assert reader.refused(*invite)[0] == 1, "a reader has no keys to write"

    # The slot of somebody who may only write is kept by a message in a block: until then no keys.
    assert alice.refused(*invite, "--timeout", "1") == (1, "timeout")
    node.generate()
    # That slot is taken now; the second attempt waits for its own block.
    link = lab.folder / "write.link"
    waiting = alice.background(*invite, "--out", str(link))
    wait_until(lambda: len(node.rpc("mempool_get")["envelopes"]) > 0, "the message about the slot")
    assert not link.exists() or link.read_text() == "", "keys went before their slot was kept"

    def has_ended():
        node.generate()
        return waiting.poll() is not None

    wait_until(has_ended, "the link", step=0.5)
    assert waiting.returncode == 0
    writer.join(link)
    writer.send(kitchen, "from a writer")
    node.generate()
    assert writer.texts(kitchen) == ["from a writer"], "a writer reads what others wrote"
    assert "from a writer" in alice.texts(kitchen)
    assert stranger.json("chat", "list") == []


def test_an_envelope_forged_with_the_read_key_is_refused(lab):
    node, alice, reader = started(lab, "alice", "reader")
    kitchen = alice.begin("kitchen")
    link = alice.link(kitchen, "read")
    reader.join(link)
    chain_id = bytes.fromhex(node.rpc("node_getInfo")["chain_id"])
    genesis = bytes.fromhex(node.rpc("chain_getHeader", height=0)["header"]["id"])
    raw = forgery.envelope(link.read_text(), chain_id, (node.height() + 1) // RATE_EPOCH_BLOCKS, 0,
                           genesis, 1, int(time.time() * 1000))
    try:
        node.rpc("envelope_submit", raw=raw.hex())
        raise AssertionError("the node took a forged envelope")
    except RpcError as error:
        assert error.data["reason"] == "envelope_signature", error
    lab.fault("forged envelope")
    node.generate()
    assert reader.messages(kitchen) == alice.messages(kitchen) == []


def test_links_that_are_none(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = alice.begin("kitchen")
    good = alice.link(kitchen, "read").read_text().strip()
    for number, bad in enumerate((
        "", "hello", good[:-1], good[:40], good[:-4] + "AAAA", good.replace("#", "?"),
        "x3c:invite/2#" + good.split("#")[1], good + "A" * 70_000, "\x00" * 100,
    )):
        file = lab.secret_file(f"bad-{number}.link", bad)
        code, reason = bob.refused("chat", "join", "--link-file", str(file))
        assert (code, reason) in ((2, "bad_link"), (2, "too_long")), (number, reason)
    assert bob.json("chat", "list") == []
    assert bob.refused("chat", "join", "--invitation", "11" * 32) == (1, "not_joined")
    existing = lab.secret_file("there.link", "mine")
    command = ("chat", "invite", kitchen, "--access", "read", "--out", str(existing))
    assert alice.refused(*command) == (2, "file_exists")
    assert existing.read_text() == "mine"


def test_an_invitation_waits_in_the_inbox(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = alice.begin("kitchen")
    invite = ("chat", "invite", kitchen, "--access", "read_write", "--to", bob.address)
    assert alice.refused(*invite) == (1, "no_record")
    published = bob.json("chat", "publish")
    assert published["state"] == "delivered", published
    node.generate()
    assert alice.json(*invite)["state"] == "delivered"
    node.generate()
    (invitation,) = bob.json("chat", "list")
    assert invitation["conversation"] == kitchen and invitation["from"] == alice.address
    assert bob.refused("chat", "read", kitchen) == (1, "unknown_conversation")
    bob.json("chat", "join", "--invitation", invitation["invitation"])
    bob.send(kitchen, "I am in")
    node.generate()
    assert alice.texts(kitchen) == ["I am in"]
    (entry,) = bob.json("chat", "list")
    assert "invitation" not in entry and entry["access"] == "read_write"
    assert [contact["address"] for contact in bob.json("chat", "contacts")] == [alice.address]


def test_a_large_message_burns_coins_and_none_are_refused_by_name(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    letter = " ".join(str(number) for number in range(900))
    assert alice.refused("chat", "send", kitchen, "--text", letter) == (1, "cannot_pay")
    assert alice.messages(kitchen) == [], "a message that cannot be paid was written"
    node.rpc("dev_generate", count=1, address=alice.address)
    burned = int(node.rpc("chain_getSupply")["burned"])
    before = alice.balance()
    alice.send(kitchen, letter)
    node.generate()
    assert bob.texts(kitchen) == [letter]
    supply = node.rpc("chain_getSupply")
    cost = int(supply["burned"]) - burned
    assert cost > 0 and alice.balance() == before - cost
    assert int(supply["supply"]) == int(supply["minted"]) - int(supply["burned"])


def test_a_message_that_missed_its_window_is_sealed_again(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    alice.send(kitchen, "before")
    node.generate()
    late = alice.send(kitchen, "late")["id"]
    name = node.rpc("mempool_get")["envelopes"]
    # Another node, which has not heard of it, makes a longer chain beyond the message's window.
    other = lab.node("other").start()
    other.generate(FIRST_HEIGHT + 3 * RATE_EPOCH_BLOCKS)
    other.rpc("node_connect", address=node.address())
    wait_until(lambda: node.tip() == other.tip(), "the longer chain")
    lab.fault("reorg")
    assert states(alice, kitchen)["late"] == "delivered"
    assert node.rpc("mempool_get")["envelopes"] != name, "the old envelope still waits"
    node.generate()
    found = {message["text"]: message for message in alice.messages(kitchen)}
    assert found["late"]["state"] == "in_block" and found["late"]["id"] == late
    assert sorted(bob.texts(kitchen)) == ["before", "late"]


def test_the_words_bring_everything_back(lab):
    node, alice, bob = started(lab, "alice", "bob")
    node.rpc("dev_generate", count=1, address=alice.address)
    mine, theirs = joined(alice, bob, name="mine"), bob.begin("theirs")
    bob.json("chat", "publish")
    alice.json("chat", "publish")
    node.generate()
    bob.json("chat", "invite", theirs, "--access", "read_write", "--to", alice.address)
    node.generate()
    (invitation,) = [entry for entry in alice.json("chat", "list") if "invitation" in entry]
    alice.json("chat", "join", "--invitation", invitation["invitation"])
    for conversation, person, text in (
        (mine, alice, "a"), (mine, bob, "b"), (theirs, alice, "c"), (theirs, bob, "d"),
    ):
        person.send(conversation, text)
        node.generate()

    # The account's records go out one per rate epoch; afterwards nothing of them is missing.
    def is_complete():
        node.generate(2)
        copy = Person(lab, f"copy-{node.height()}", node, "regtest").restore(alice.words())
        alice.json("chat", "list")
        listed = {entry["name"] for entry in copy.json("chat", "list") if "invitation" not in entry}
        return copy if {"mine", "theirs"} <= listed else None

    copy = wait_until(is_complete, "the records of both conversations", seconds=120, step=0)
    for conversation in (mine, theirs):
        assert copy.texts(conversation) == alice.texts(conversation)
    assert copy.balance() == alice.balance()
    # A restored device says nothing before the next rate epoch, and then speaks for itself.
    node.generate(2 * RATE_EPOCH_BLOCKS)
    copy.send(mine, "from the new device")
    node.generate()
    assert bob.texts(mine)[-1] == "from the new device"
    assert bob.messages(mine)[-1]["author"] == alice.address


def test_a_restored_device_never_takes_the_keys_of_a_lost_conversation(lab):
    node, alice, bob = started(lab, "alice", "bob")
    family = joined(alice, bob, access="read", name="family")
    node.generate()
    # The first device is lost before it wrote a word, or told the account's other devices anything.
    copy = Person(lab, "alice-again", node, "regtest").restore(alice.words())
    assert copy.refused("chat", "new", "diary") == (1, "not_joined")
    node.generate(2 * RATE_EPOCH_BLOCKS)
    diary = copy.begin("diary")
    assert diary != family, "the diary has the keys of a conversation that others read"
    copy.send(diary, "dear diary")
    node.generate()
    assert bob.texts(family) == []
    assert {entry["conversation"] for entry in copy.json("chat", "list")} == {family, diary}


def test_publishing_twice_publishes_once(lab):
    node, alice, bob = started(lab, "alice", "bob")
    node.rpc("dev_generate", count=1, address=bob.address)
    first = bob.json("chat", "publish")["tx_id"]
    assert bob.json("chat", "publish")["tx_id"] == first
    node.generate()
    second = bob.json("chat", "publish")["tx_id"]
    assert second != first
    # An invitation to the key that is still the one on the chain is read.
    kitchen = alice.begin("kitchen")
    alice.json("chat", "invite", kitchen, "--access", "read", "--to", bob.address)
    node.generate()
    assert [entry["conversation"] for entry in bob.json("chat", "list")] == [kitchen]


def test_an_order_that_cannot_be_paid_any_more_is_given_up(lab):
    node, alice, bob = started(lab, "alice", "bob")
    (mined,) = node.rpc("dev_generate", count=1, address=alice.address)["ids"]
    coins = alice.balance()
    amount = f"{coins * 3 // 4 / 1e8:.8f}"
    order = alice.json("wallet", "send", "--to", bob.address, "--amount", amount)["tx_id"]
    node.rpc("dev_invalidateBlock", id=mined)
    lab.fault("reorg")
    node.generate(2)
    # An uncle's part of the reward is all that is left: less than the order takes.
    small = ("wallet", "send", "--to", bob.address, "--amount", "0.01")
    assert alice.refused(*small) == (1, "cannot_pay")
    assert alice.json("wallet", "discard", order) == {"discarded": order}
    assert alice.refused("wallet", "discard", order) == (1, "not_discarded")
    assert alice.json(*small)["state"] == "delivered"


def test_a_copied_profile_is_noticed_and_no_message_is_lost(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    alice.send(kitchen, "one")
    node.generate()
    twin = Person(lab, "alice-copied", node, "regtest")
    copy_folder(alice.folder, twin.folder)
    twin.password = alice.password
    lab.fault("copied profile")
    alice.send(kitchen, "from the original")
    node.generate()
    _, _, warnings = lab.run(
        *twin.arguments("chat", "send", kitchen, "--text", "from the copy"))
    assert "it was copied" in warnings, warnings
    node.generate()
    for _ in range(3):
        twin.json("chat", "list")
        alice.json("chat", "list")
        node.generate()
    texts = bob.texts(kitchen)
    assert sorted(texts) == sorted(["one", "from the original", "from the copy"]), texts


def test_a_session_that_dies_while_writing_repeats_and_loses_nothing(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    alice.send(kitchen, "first")
    node.generate()
    acknowledged, interrupted = ["first"], []
    for point in ("vault.append.before_sync", "vault.append.after_sync"):
        for turn in range(1, 7):
            text = f"{point} {turn}"
            code, _, _ = lab.run(
                *alice.arguments("chat", "send", kitchen, "--text", text), expect=None,
                env={"X3C_KILL_AT": f"{point}:{turn}"},
            )
            if code == 0:
                acknowledged.append(text)
            else:
                assert code == -signal.SIGABRT, code
                lab.fault("kill inside a session's write")
                interrupted.append(text)
            if turn % 3 == 0:
                node.generate()
    assert len(interrupted) >= 5, interrupted
    for _ in range(2):
        alice.json("chat", "list")
        node.generate()
    texts = bob.texts(kitchen)
    assert len(texts) == len(set(texts)), f"a message stands twice: {texts}"
    assert set(acknowledged) <= set(texts), "an acknowledged message is lost"
    assert set(texts) <= set(acknowledged + interrupted)
    assert alice.texts(kitchen) == texts, "both see one log"


def test_a_follower_outlives_its_node(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    follower = Follower(bob, kitchen)
    alice.send(kitchen, "before")
    node.generate()
    follower.states("before")
    node.kill()
    node.start()
    alice.send(kitchen, "after")
    node.generate()
    follower.states("after")
    assert follower.process.poll() is None
    follower.close()


def test_messages_survive_kills_of_the_node(lab):
    node, alice, bob = started(lab, "alice", "bob")
    kitchen = joined(alice, bob)
    texts = []
    for turn in range(5):
        text = f"kill {turn}"
        assert alice.send(kitchen, text)["state"] == "delivered"
        texts.append(text)
        node.kill()
        node.start()
        assert len(node.rpc("mempool_get")["envelopes"]) > 0, "an acknowledged message is lost"
        if turn % 2 == 0:
            node.generate()
    node.generate()
    assert bob.texts(kitchen) == texts, (bob.messages(kitchen), alice.messages(kitchen))
