"""What somebody can make who was given the read key of a conversation and nothing else.

Uses the second implementation of the conversation layer (messenger/vectors/check.py): the right one-time
key, a body sealed so that readers can open it, a stamp whose hash is worth its effort. Only the signature
cannot be right: it needs the write key.
"""

import pathlib
import secrets
import sys
from base64 import urlsafe_b64decode

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "standins"), str(ROOT / "messenger" / "vectors")]

import check as layer  # noqa: E402

u = layer.u
# A slot that nobody in the tests has taken; readers expect its first message.
FREE_SLOT = 3
START_CLASS = 1


def read_capability(link):
    """Administrator key, key epoch, read key and writers' key of a link for reading."""
    digits = link.strip().split("#")[1]
    raw = urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    assert raw[0] == 1, "a link for reading only"
    return raw[1:33], int.from_bytes(raw[33:37], "little"), raw[37:69], raw[69:101]


def stamp(core, reference, block_id, effort):
    """A stamp whose hash passes, without its puzzle being solved: that much is free."""
    while True:
        nonce, solution = secrets.token_bytes(16), secrets.token_bytes(16)
        data = core + block_id + u(effort) + nonce
        digest = layer.plain(layer.kdf("ChainChat v1 pow", data) + solution)
        if int.from_bytes(digest[:4], "little") * effort <= 0xFFFF_FFFF:
            return u(effort) + u(reference) + nonce + solution


def envelope(link, chain_id, rate_epoch, reference, block_id, effort, sent_ms):
    """The start of a writer chain in a free slot, forged with the read key."""
    admin, epoch, read, writers = read_capability(link)
    conversation = layer.kdf("ChainChat v1 conv id", admin)
    place = conversation + u(epoch) + u(FREE_SLOT) + u(0)
    key = layer.kdf("ChainChat v1 chain", layer.slot_key(read, FREE_SLOT) + place)
    tag = layer.kdf("ChainChat v1 tag", key)
    tweak = layer.scalar(layer.xof("ChainChat v1 tweak", writers + tag + u(0) + u(0), 64))
    point = layer.add(layer.lift(writers), layer.mul(tweak))
    one_time_key = point[0].to_bytes(32, "big")
    forger = secrets.randbelow(layer.N - 1) + 1
    body = layer.xonly(forger) + b"\0" + b"\x06forger"
    start = b"\x01\x02" + u(sent_ms, 8) + bytes(16) + b"\0" + u(len(body)) + body
    head = bytes([1, 1, START_CLASS, 0]) + chain_id[:4] + u(rate_epoch) + one_time_key
    salt, sealed = layer.seal(key, head, start + bytes((256 << START_CLASS) - len(start)))
    core = layer.kdf("ChainChat v1 core", head + salt + layer.plain(sealed))
    auth = stamp(core, reference, block_id, effort)
    signature = layer.sign(forger, "ChainChat/env/v1", chain_id, b"\x02" + core + auth)
    return head[:3] + b"\x02" + head[4:] + salt + sealed + auth + signature
