"""Addresses: bech32m (BIP 350) with a version digit and 20 bytes."""

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM = 0x2BC830A3
PREFIXES = {"x3c": "main", "tx3c": "test", "dx3c": "dev", "rx3c": "regtest"}


class Refused(Exception):
    """Not an address; holds the name of the reason."""


def polymod(values):
    generator = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit in range(5):
            state ^= generator[bit] if top >> bit & 1 else 0
    return state


def expand(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def encode(prefix, account):
    bits = int.from_bytes(account, "big")
    digits = [0] + [bits >> shift & 31 for shift in range(155, -1, -5)]
    check = polymod(expand(prefix) + digits + [0] * 6) ^ CHECKSUM
    digits += [check >> shift & 31 for shift in range(25, -1, -5)]
    return prefix + "1" + "".join(ALPHABET[digit] for digit in digits)


def decode(text):
    """Network and account of an address."""
    if text != text.lower() and text != text.upper():
        raise Refused("Encoding")
    text = text.lower()
    prefix, separator, digits = text.rpartition("1")
    if not separator or not prefix or len(digits) < 6:
        raise Refused("Encoding")
    if any(not 33 <= ord(c) <= 126 for c in prefix) or any(c not in ALPHABET for c in digits):
        raise Refused("Encoding")
    values = [ALPHABET.index(c) for c in digits]
    if polymod(expand(prefix) + values) != CHECKSUM:
        raise Refused("Encoding")
    if prefix not in PREFIXES:
        raise Refused("UnknownPrefix")
    values = values[:-6]
    if not values:
        raise Refused("Length")
    if values[0] != 0:
        raise Refused("UnknownVersion")
    values = values[1:]
    spare = len(values) * 5 % 8
    if spare >= 5 or (values and values[-1] & ((1 << spare) - 1)):
        raise Refused("Encoding")
    bits = 0
    for value in values:
        bits = bits << 5 | value
    length = len(values) * 5 // 8
    if length != 20:
        raise Refused("Length")
    return PREFIXES[prefix], (bits >> spare).to_bytes(length, "big")


def self_test():
    """Published bech32m strings of BIP 350; raises when this file is wrong."""
    for text in ("a1lqfn3a", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"):
        prefix, _, digits = text.rpartition("1")
        assert polymod(expand(prefix) + [ALPHABET.index(c) for c in digits]) == CHECKSUM
