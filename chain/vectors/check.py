#!/usr/bin/env python3
"""Checks the golden vectors without the project's own code: a second implementation of the
encodings, hashes, signatures and addresses, with the standard library alone.

Ends with one line `vectors: N passed, N failed, N skipped` and exit code 0 or 1.
"""

import json
import pathlib
import sys

import bech32m
import bip340
import layout
from blake3_reference import blake3, derive_key, self_test as blake3_self_test

FOLDER = pathlib.Path(__file__).resolve().parent


def holds(found, expected, what):
    """Compares hex or numbers; raises with both when they differ."""
    if isinstance(found, bytes):
        found = found.hex()
    if found != expected:
        raise AssertionError(f"{what}: {found} where the vector says {expected}")


def check_signing(signing, body, what):
    """SIG(tag, body) = BIP340(secret, TH(tag, chain_id | body))."""
    fields = {name: bytes.fromhex(value) for name, value in signing.items() if name != "tag"}
    message = bip340.tagged_hash(signing["tag"], fields["chain_id"] + body)
    holds(message, signing["message"], f"{what}, message")
    holds(bip340.public_key(fields["secret"]), signing["key"], f"{what}, key")
    made = bip340.sign(message, fields["secret"], fields["aux_randomness"])
    holds(made, signing["signature"], f"{what}, signature")
    if not bip340.verify(message, fields["key"], fields["signature"]):
        raise AssertionError(f"{what}: the signature does not verify")


def account_of(key):
    return derive_key("ChainChat v1 address", key, 20)


def merkle_root(leaves):
    level = [derive_key("x3c/leaf", leaf) for leaf in leaves]
    count = len(level).to_bytes(8, "little")
    while len(level) > 1:
        pairs = [level[i:i + 2] for i in range(0, len(level), 2)]
        level = [derive_key("x3c/node", b"".join(p)) if len(p) == 2 else p[0] for p in pairs]
    return derive_key("x3c/root", count + (level[0] if level else bytes(32)))


def aux_leaves(aux):
    parts = (
        (b"\0", layout.HEADER, aux["uncles"]),
        (b"\1", layout.INCLUDED_VOTE, aux["votes"]),
        (b"\2", layout.FINALITY_GROUP, aux["finality"]),
        (b"\3", layout.EVIDENCE, aux["evidence"]),
    )
    return [number + part.write(item) for number, part, items in parts for item in items]


def header_names(data):
    challenge = derive_key("x3c/pow", data[:-16])
    return {
        "id": derive_key("x3c/id", data),
        "challenge": challenge,
        "pow_hash": derive_key("x3c/powhash", challenge + data[-16:]),
    }


def check_header(data, _twin, derived):
    for name, value in header_names(data).items():
        holds(value, derived[name], name)


def check_transaction(data, twin, derived):
    signed = data[:-64]
    holds(derive_key("x3c/txid", signed), derived["id"], "id")
    holds(account_of(bytes.fromhex(twin["sender"])), derived["sender_account"], "sender_account")
    if twin["body"].get("stamp"):
        commitment = derive_key("x3c/txstamp", data[:-64 - 40])
        holds(commitment, derived["stamp_commitment"], "stamp_commitment")
    else:
        holds(None, derived["stamp_commitment"], "stamp_commitment")
    check_signing(derived["signing"], signed, "transaction")
    check_possessions(twin, derived.get("possessions", {}))


# Kind -> {proof of possession in the body: the key that it is by}.
POSSESSIONS = {
    1: {"possession": "vote_key"},
    5: {"operator_possession": "operator_key", "voting_possession": "voting_key"},
}


def check_possessions(twin, signings):
    """SIG("ChainChat/pop/v1", kind u8 | sender 32 | nonce u64) by every key that is registered."""
    expected = POSSESSIONS.get(twin["kind"], {})
    holds(sorted(signings), sorted(expected), "proofs of possession")
    covered = bytes([twin["kind"]]) + bytes.fromhex(twin["sender"]) + layout.U64.write(twin["nonce"])
    for proof, key in expected.items():
        holds(signings[proof]["tag"], "ChainChat/pop/v1", f"{proof}, tag")
        holds(signings[proof]["key"], twin["body"][key], f"{proof}, key")
        holds(signings[proof]["signature"], twin["body"][proof], proof)
        check_signing(signings[proof], covered, proof)


def check_record(data, _twin, derived):
    holds(blake3(data)[:24], derived["link"], "link")
    check_signing(derived["signing"], data[:-64], "record")


def check_vote(data, twin, derived):
    body = layout.U64.write(twin["height"]) + bytes.fromhex(twin["block"])
    check_signing(derived["signing"], body + layout.U32.write(twin["bond"]), "vote")


def check_finality_vote(data, _twin, derived):
    check_signing(derived["signing"], data[:-64], "finality vote")


def check_aux(_data, twin, derived):
    holds(merkle_root(aux_leaves(twin)), derived["aux_root"], "aux_root")


def check_body(_data, twin, derived):
    check_aux(None, twin["aux"], derived)
    transactions = [layout.TRANSACTION.write(item) for item in twin["transactions"]]
    holds(merkle_root(transactions), derived["tx_root"], "tx_root")
    wids = [envelope_names(bytes.fromhex(item))["wid"] for item in twin["envelopes"]]
    holds(merkle_root(wids), derived["envelope_root"], "envelope_root")


def check_block(data, _twin, derived):
    holds(derive_key("x3c/id", data[:276]), derived["id"], "id")


CHECKS = {
    "header": check_header,
    "transaction": check_transaction,
    "account_record": check_record,
    "vote": check_vote,
    "finality_vote": check_finality_vote,
    "aux": check_aux,
    "body": check_body,
    "block": check_block,
}


def envelope_names(data):
    head, body, auth, signature = layout.decode_envelope(data)
    bound = data[:3] + b"\0" + data[4:60]
    core = derive_key("ChainChat v1 core", bound + blake3(body))
    kind = bytes([head["auth_kind"]])
    return {
        "associated_data": bound[:44],
        "core_hash": core,
        "mid": derive_key("ChainChat v1 mid", core),
        "wid": derive_key("ChainChat v1 wid", kind + core + auth + signature),
    }


def check_envelope(entry):
    data = bytes.fromhex(entry["bytes"])
    fields, derived = entry["fields"], entry["derived"]
    head, body, auth, signature = layout.decode_envelope(data)
    for name in ("kind", "class", "auth_kind", "net", "rate_epoch", "one_time_key", "salt"):
        holds(head[name], fields[name], name)
    holds(len(body), fields["body_bytes"], "body_bytes")
    holds(body, bytes((7 * i + 3) % 256 for i in range(len(body))).hex(), "body")
    holds(signature, fields["signature"], "signature")
    part = layout.AUTHS[head["auth_kind"]]
    holds(part.write(fields["auth"]) if part else b"", auth.hex(), "auth")
    names = envelope_names(data)
    for name, value in names.items():
        holds(value, derived[name], name)
    core = names["core_hash"]
    check_signing(derived["signing"], bytes([head["auth_kind"]]) + core + auth, "envelope")
    if head["auth_kind"] == 4:
        check_signing(derived["payment_signing"], core + auth[:48], "payment")


def check_accepted(entry):
    if entry["type"] == "envelope":
        check_envelope(entry)
        return
    data = bytes.fromhex(entry["bytes"])
    twin = layout.decode(entry["type"], data)
    holds(twin, entry["fields"], "fields")
    holds(layout.encode(entry["type"], entry["fields"]), entry["bytes"], "bytes")
    check = CHECKS.get(entry["type"])
    if check:
        check(data, twin, entry["derived"])


def check_rejected(entry):
    data = bytes.fromhex(entry["bytes"])
    try:
        if entry["type"] == "envelope":
            layout.decode_envelope(data)
        else:
            layout.decode(entry["type"], data)
    except layout.Refused as refused:
        holds(str(refused), entry["reason"], "reason")
        return
    raise AssertionError("accepted, and must be refused")


def check_address(entry):
    account = bytes.fromhex(entry["account"])
    holds(bech32m.encode(entry["prefix"], account), entry["text"], "text")
    for text in (entry["text"], entry["text"].upper()):
        network, found = bech32m.decode(text)
        holds(network, entry["network"], "network")
        holds(found, entry["account"], "account")
    if entry["key"]:
        holds(account_of(bytes.fromhex(entry["key"])), entry["account"], "account of the key")


def check_no_address(entry):
    try:
        bech32m.decode(entry["text"])
    except bech32m.Refused as refused:
        holds(str(refused), entry["reason"], "reason")
        return
    raise AssertionError("accepted, and must be refused")


def check_derived(entry):
    holds(derive_key(entry["context"], bytes.fromhex(entry["input"])), entry["output"], "output")


def check_signature(entry):
    check_signing(entry["signing"], bytes.fromhex(entry["body"]), entry["signing"]["tag"])


def check_bad_signature(entry):
    key = bytes.fromhex(entry["key"])
    if bip340.lift(bip340.number(key)) is None:
        holds("KeyOffTheCurve", entry["reason"], "reason")
        return
    signed = bytes.fromhex(entry["chain_id"]) + bytes.fromhex(entry["body"])
    message = bip340.tagged_hash(entry["tag"], signed)
    if bip340.verify(message, key, bytes.fromhex(entry["signature"])):
        raise AssertionError("accepted, and must be refused")
    holds("WrongSignature", entry["reason"], "reason")


def check_root(entry):
    holds(merkle_root([bytes.fromhex(leaf) for leaf in entry["inputs"]]), entry["root"], "root")


# File -> {list in the file: check of an entry}.
LISTS = {
    "header.json": {"must_accept": check_accepted, "must_reject": check_rejected},
    "transaction.json": {"must_accept": check_accepted, "must_reject": check_rejected},
    "block.json": {"must_accept": check_accepted, "must_reject": check_rejected},
    "vote.json": {"must_accept": check_accepted, "must_reject": check_rejected},
    "envelope.json": {"must_accept": check_accepted, "must_reject": check_rejected},
    "address.json": {"must_accept": check_address, "must_reject": check_no_address},
    "hash.json": {
        "derive_key": check_derived,
        "signatures": check_signature,
        "must_reject": check_bad_signature,
    },
    "merkle.json": {"roots": check_root},
}


def main():
    blake3_self_test()
    bip340.self_test()
    bech32m.self_test()
    passed, failed = 0, 0
    present = {path.name for path in FOLDER.glob("*.json")}
    for name in sorted(present ^ set(LISTS)):
        print(f"{name}: a file without a check, or a check without a file", file=sys.stderr)
        failed += 1
    for name in sorted(present & set(LISTS)):
        document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
        for key, value in document.items():
            if isinstance(value, list) and key not in LISTS[name]:
                print(f"{name}: the list {key} is not checked", file=sys.stderr)
                failed += 1
        for key, check in LISTS[name].items():
            for index, entry in enumerate(document[key]):
                try:
                    check(entry)
                    passed += 1
                except (AssertionError, layout.Refused, bech32m.Refused) as error:
                    title = entry.get("name", index)
                    print(f"{name}: {key}: {title}: {error}", file=sys.stderr)
                    failed += 1
    print(f"vectors: {passed} passed, {failed} failed, 0 skipped")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
