"""Envelopes made without the project's code: bare ones, which regtest accepts."""

import secrets

import bip340
import layout
from blake3_reference import blake3, derive_key

# Blocks of a rate epoch on regtest.
RATE_EPOCH_BLOCKS = 16


def bare(chain_id, height, body=None):
    """Bytes and id of an envelope that a block at `height` may include.

    Kind message, class 0, no auth; random content under a random one-time key.
    """
    secret = bip340.data32(secrets.randbelow(bip340.N - 1) + 1)
    body = body or secrets.token_bytes(256 + 16)
    head = bytes([1, 1, 0, 0]) + chain_id[:4] + layout.U32.write(height // RATE_EPOCH_BLOCKS)
    head += bip340.public_key(secret) + secrets.token_bytes(16)
    core = derive_key("ChainChat v1 core", head + blake3(body))
    message = bip340.tagged_hash("ChainChat/env/v1", chain_id + b"\0" + core)
    signature = bip340.sign(message, secret, secrets.token_bytes(32))
    mid = derive_key("ChainChat v1 mid", core)
    return head + body + signature, mid


def submit(node, chain_id, ack="durable", height=None):
    """Submits a bare envelope for the next block and returns (id, raw) in hexadecimal."""
    height = node.height() + 1 if height is None else height
    raw, mid = bare(chain_id, height)
    answer = node.rpc("envelope_submit", raw=raw.hex(), ack=ack)
    assert answer["id"] == mid.hex(), "the node names the envelope differently"
    assert answer["ack"] == ack, answer
    return mid.hex(), raw.hex()


def chain_id_of(node):
    return bytes.fromhex(node.rpc("node_getInfo")["chain_id"])
