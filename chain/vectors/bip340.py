"""BIP 340 signatures over secp256k1 with integers: tagged hash, signing, verification.

Neither fast nor safe against timing; for checking vectors only.
"""

import hashlib

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def tagged_hash(tag, message):
    digest = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(digest + digest + message).digest()


def add(a, b):
    """Sum of two affine points; None is the point at infinity."""
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if a[1] != b[1]:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(point, scalar):
    total = None
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def lift(x):
    """The point with this x coordinate and an even y, or None."""
    if x >= P:
        return None
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return x, y if y % 2 == 0 else P - y


def number(data):
    return int.from_bytes(data, "big")


def data32(value):
    return value.to_bytes(32, "big")


def even_secret(secret):
    """The secret whose public point has an even y, and that point."""
    point = multiply(G, secret)
    return (secret, point) if point[1] % 2 == 0 else (N - secret, point)


def public_key(secret):
    return data32(multiply(G, number(secret))[0])


def challenge(r, key, message):
    return number(tagged_hash("BIP0340/challenge", r + key + message)) % N


def sign(message, secret, aux_randomness):
    secret, point = even_secret(number(secret))
    key = data32(point[0])
    mask = number(tagged_hash("BIP0340/aux", aux_randomness))
    nonce = number(tagged_hash("BIP0340/nonce", data32(secret ^ mask) + key + message)) % N
    nonce, r = even_secret(nonce)
    r = data32(r[0])
    return r + data32((nonce + challenge(r, key, message) * secret) % N)


def verify(message, key, signature):
    point = lift(number(key))
    r, s = number(signature[:32]), number(signature[32:])
    if point is None or r >= P or s >= N:
        return False
    e = challenge(signature[:32], key, message)
    found = add(multiply(G, s), multiply(point, (N - e) % N))
    return found is not None and found[1] % 2 == 0 and found[0] == r


def self_test():
    """The first vector that BIP 340 publishes; raises when this file is wrong."""
    secret = data32(3)
    key = bytes.fromhex("f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9")
    signature = bytes.fromhex(
        "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215"
        "25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0"
    )
    assert public_key(secret) == key
    assert sign(bytes(32), secret, bytes(32)) == signature
    assert verify(bytes(32), key, signature)
    assert not verify(bytes(32), key, signature[:-1] + b"\xc1")
