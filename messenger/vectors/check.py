#!/usr/bin/env python3
"""Second implementation of the conversation layer, held against the golden vectors beside it.

Written from the specification (docs/spec/09-messages.md) without looking at the first one. Needs
Python 3.8 and the package `blake3`; everything else is spelled out here. Slow and not constant
time: for checking only.
"""
import hashlib
import hmac
import json
import os
import struct
import sys
from base64 import urlsafe_b64decode

from blake3 import blake3

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return json.load(file)


def u(n, size=4):
    return n.to_bytes(size, "little")


# Hashes ----------------------------------------------------------------------------------------

def kdf(context, data):
    return blake3(data, derive_key_context=context).digest()


def xof(context, data, length):
    return blake3(data, derive_key_context=context).digest(length=length)


def plain(data):
    return blake3(data).digest()


def tagged(tag, data):
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + data).digest()


# secp256k1 -------------------------------------------------------------------------------------

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a, b):
    if a is None:
        return b
    if b is None:
        return a
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return (x, (slope * (a[0] - x) - a[1]) % P)


def mul(k, point=G):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def lift(x_bytes):
    x = int.from_bytes(x_bytes, "big")
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    assert x < P and y * y % P == square, "not on the curve"
    return (x, y if y % 2 == 0 else P - y)


def xonly(k):
    return mul(k)[0].to_bytes(32, "big")


def even(k):
    return k if mul(k)[1] % 2 == 0 else N - k


def scalar(wide):
    return int.from_bytes(wide, "little") % N


def schnorr_sign(k, message, aux):
    d = even(k)
    point = xonly(k)
    masked = bytes(
        a ^ b for a, b in zip(d.to_bytes(32, "big"), tagged("BIP0340/aux", aux))
    )
    nonce = int.from_bytes(tagged("BIP0340/nonce", masked + point + message), "big") % N
    r = even(nonce)
    rx = xonly(nonce)
    e = int.from_bytes(tagged("BIP0340/challenge", rx + point + message), "big") % N
    return rx + ((r + e * d) % N).to_bytes(32, "big")


def schnorr_verify(key, message, signature):
    rx, s = signature[:32], int.from_bytes(signature[32:], "big")
    e = int.from_bytes(tagged("BIP0340/challenge", rx + key + message), "big") % N
    point = add(mul(s), mul(N - e, lift(key)))
    return s < N and point is not None and point[1] % 2 == 0 and point[0].to_bytes(32, "big") == rx


def message_of(tag, chain, body):
    return tagged(tag, chain + body)


def sign(k, tag, chain, body):
    return schnorr_sign(k, message_of(tag, chain, body), bytes(32))


# ChaCha20-Poly1305 (RFC 8439) -------------------------------------------------------------------

def chacha_block(key, counter, nonce):
    state = list(struct.unpack("<4I", b"expand 32-byte k"))
    state += struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce)
    work = list(state)

    def quarter(a, b, c, d):
        for target, other, mixed, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[target] = (work[target] + work[other]) & 0xFFFFFFFF
            value = work[mixed] ^ work[target]
            work[mixed] = ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(work, state)))


def aead_seal(key, nonce, text, aad):
    sealed = b""
    for start in range(0, len(text), 64):
        stream = chacha_block(key, 1 + start // 64, nonce)
        sealed += bytes(a ^ b for a, b in zip(text[start:start + 64], stream))
    once = chacha_block(key, 0, nonce)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(once[16:32], "little")
    padded = aad + bytes(-len(aad) % 16) + sealed + bytes(-len(sealed) % 16)
    padded += u(len(aad), 8) + u(len(sealed), 8)
    total = 0
    for start in range(0, len(padded), 16):
        chunk = int.from_bytes(padded[start:start + 16] + b"\x01", "little")
        total = (total + chunk) * r % (2**130 - 5)
    return sealed + u((total + s) % 2**128, 16)


def seal(ck, ad, text):
    salt = blake3(ad + text, key=kdf("ChainChat v1 siv", ck)).digest()[:16]
    material = xof("ChainChat v1 aead", ck + salt, 44)
    return salt, aead_seal(material[:32], material[32:], text, ad + salt)


# X25519 (RFC 7748) ------------------------------------------------------------------------------

def x25519(scalar_bytes, point_bytes):
    q = 2**255 - 19
    k = bytearray(scalar_bytes)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(point_bytes, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for bit in range(254, -1, -1):
        k_bit = k >> bit & 1
        if swap ^ k_bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = k_bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % q, b * b % q, d * a % q, c * b % q
        x3, z3 = (da + cb) ** 2 % q, x1 * (da - cb) ** 2 % q
        e = aa - bb
        x2, z2 = aa * bb % q, e * (aa + 121665 * e) % q
    if swap:
        x2, x3, z2, z3 = x3, x2, z3, z2
    return (x2 * pow(z2, q - 2, q) % q).to_bytes(32, "little")


BASE = (9).to_bytes(32, "little")


# ML-KEM-768 (FIPS 203) --------------------------------------------------------------------------

Q, RANK, DU, DV = 3329, 3, 10, 4


def reverse7(i):
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, reverse7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reverse7(i) + 1, Q) for i in range(128)]


def ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length], f[j] = (f[j] - t) % Q, (f[j] + t) % Q
        length //= 2
    return f


def inverse_ntt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def multiply(f, g):
    h = []
    for i in range(128):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a0 * b0 + a1 * b1 * GAMMAS[i]) % Q, (a0 * b1 + a1 * b0) % Q]
    return h


def plus(f, g):
    return [(a + b) % Q for a, b in zip(f, g)]


def minus(f, g):
    return [(a - b) % Q for a, b in zip(f, g)]


def sample_uniform(seed):
    stream = hashlib.shake_128(seed).digest(4096)
    out, at = [], 0
    while len(out) < 256:
        a, b, c = stream[at:at + 3]
        at += 3
        for candidate in (a + 256 * (b % 16), b // 16 + 16 * c):
            if candidate < Q and len(out) < 256:
                out.append(candidate)
    return out


def bits_of(data):
    return [byte >> i & 1 for byte in data for i in range(8)]


def sample_binomial(seed, counter):
    bits = bits_of(hashlib.shake_256(seed + bytes([counter])).digest(128))
    return [
        (sum(bits[4 * i:4 * i + 2]) - sum(bits[4 * i + 2:4 * i + 4])) % Q for i in range(256)
    ]


def pack(values, width):
    whole = sum(value << (width * i) for i, value in enumerate(values))
    return whole.to_bytes(32 * width, "little")


def unpack(data, width):
    whole = int.from_bytes(data, "little")
    return [whole >> (width * i) & ((1 << width) - 1) for i in range(256)]


def compress(values, width):
    return [((value << width) + Q // 2) // Q % (1 << width) for value in values]


def decompress(values, width):
    return [(value * Q + (1 << (width - 1))) >> width for value in values]


def matrix(rho):
    return [[sample_uniform(rho + bytes([j, i])) for j in range(RANK)] for i in range(RANK)]


def dot(row, vector):
    total = [0] * 256
    for a, b in zip(row, vector):
        total = plus(total, multiply(a, b))
    return total


def mlkem_keys(d, z):
    expanded = hashlib.sha3_512(d + bytes([RANK])).digest()
    rho, sigma = expanded[:32], expanded[32:]
    a = matrix(rho)
    s = [ntt(sample_binomial(sigma, i)) for i in range(RANK)]
    e = [ntt(sample_binomial(sigma, RANK + i)) for i in range(RANK)]
    t = [plus(dot(a[i], s), e[i]) for i in range(RANK)]
    public = b"".join(pack(poly, 12) for poly in t) + rho
    return public, (s, public, hashlib.sha3_256(public).digest(), z)


def mlkem_encrypt(public, message, coins):
    t = [unpack(public[384 * i:384 * (i + 1)], 12) for i in range(RANK)]
    a = matrix(public[384 * RANK:])
    y = [ntt(sample_binomial(coins, i)) for i in range(RANK)]
    e1 = [sample_binomial(coins, RANK + i) for i in range(RANK)]
    e2 = sample_binomial(coins, 2 * RANK)
    columns = [[a[j][i] for j in range(RANK)] for i in range(RANK)]
    first = [plus(inverse_ntt(dot(columns[i], y)), e1[i]) for i in range(RANK)]
    mu = decompress(bits_of(message), 1)
    second = plus(plus(inverse_ntt(dot(t, y)), e2), mu)
    return b"".join(pack(compress(poly, DU), DU) for poly in first) + pack(compress(second, DV), DV)


def mlkem_encapsulate(public, message):
    expanded = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    return expanded[:32], mlkem_encrypt(public, message, expanded[32:])


def mlkem_decapsulate(secret, ciphertext):
    s, public, digest, z = secret
    split = 32 * DU * RANK
    first = [
        ntt(decompress(unpack(ciphertext[320 * i:320 * (i + 1)], DU), DU)) for i in range(RANK)
    ]
    second = decompress(unpack(ciphertext[split:], DV), DV)
    difference = minus(second, inverse_ntt(dot(s, first)))
    message = pack(compress(difference, 1), 1)
    expanded = hashlib.sha3_512(message + digest).digest()
    if hmac.compare_digest(mlkem_encrypt(public, message, expanded[32:]), ciphertext):
        return expanded[:32]
    return hashlib.shake_256(z + ciphertext).digest(32)


# X-Wing (draft 06) ------------------------------------------------------------------------------

def xwing_keys(secret):
    expanded = hashlib.shake_256(secret).digest(96)
    public_m, secret_m = mlkem_keys(expanded[:32], expanded[32:64])
    public_x = x25519(expanded[64:], BASE)
    return public_m + public_x, (secret_m, expanded[64:], public_x)


def combine(ss_m, ss_x, ct_x, pk_x):
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + b"\\.//^\\").digest()


def xwing_encapsulate(public, randomness):
    public_m, public_x = public[:1184], public[1184:]
    ss_m, ct_m = mlkem_encapsulate(public_m, randomness[:32])
    ct_x = x25519(randomness[32:], BASE)
    ss_x = x25519(randomness[32:], public_x)
    return combine(ss_m, ss_x, ct_x, public_x), ct_m + ct_x


def xwing_decapsulate(secret, ciphertext):
    secret_m, secret_x, public_x = secret
    ct_m, ct_x = ciphertext[:1088], ciphertext[1088:]
    ss_m = mlkem_decapsulate(secret_m, ct_m)
    return combine(ss_m, x25519(secret_x, ct_x), ct_x, public_x)


# The checks ------------------------------------------------------------------------------------

CHECKS = 0


def equal(found, expected, what):
    global CHECKS
    CHECKS += 1
    if isinstance(found, (bytes, bytearray)):
        found = bytes(found).hex()
    if found != expected:
        sys.exit(f"{what}: found {found}, the vector says {expected}")


def truth(condition, what):
    equal(bool(condition), True, what)


def write_key_scalar(ws):
    return scalar(xof("ChainChat v1 conv sign", ws, 64))


def slot_key(rs, slot):
    return kdf("ChainChat v1 slot", kdf("ChainChat v1 conv slots", rs) + u(slot))


def check_xwing():
    for case in load("xwing.json"):
        secret = bytes.fromhex(case["sk"])
        public, keys = xwing_keys(secret)
        equal(public, case["pk"], "X-Wing public key")
        shared, ciphertext = xwing_encapsulate(public, bytes.fromhex(case["eseed"]))
        equal(ciphertext, case["ct"], "X-Wing ciphertext")
        equal(shared, case["ss"], "X-Wing shared secret")
        equal(xwing_decapsulate(keys, ciphertext), case["ss"], "X-Wing decapsulation")


def check_keys():
    for case in load("keys.json"):
        chain = bytes.fromhex(case["chain_id"])
        root, e = bytes.fromhex(case["root"]), case["epoch"]
        a = scalar(xof("ChainChat v1 conv admin", root, 64))
        admin = xonly(a)
        equal(admin, case["A"], "A")
        equal(kdf("ChainChat v1 conv id", admin), case["cid"], "cid")
        rs = kdf("ChainChat v1 conv read", root + u(e))
        ws = kdf("ChainChat v1 conv write", root + u(e))
        equal(rs, case["rs"], "rs")
        equal(ws, case["ws"], "ws")
        w = write_key_scalar(ws)
        equal(w.to_bytes(32, "big"), case["w"], "w")
        writers = xonly(w)
        equal(writers, case["W"], "W")
        public, _ = xwing_keys(kdf("ChainChat v1 conv xwing", rs))
        equal(public, case["EK"], "EK")
        readers = kdf("ChainChat v1 read commit", public)
        equal(readers, case["R"], "R")
        equal([slot_key(rs, j).hex() for j in range(3)], case["k_slot"], "k_slot")
        cert = sign(a, "ChainChat/epoch/v1", chain, u(e) + writers + readers)
        equal(cert, case["epoch_cert"], "EpochCert")
        capabilities = case["capabilities_slot_5_generation_2"]
        if capabilities:
            head = admin + u(e)
            equal(b"\x01" + head + rs + writers + cert, capabilities["read"], "READ")
            write = b"\x02" + head + ws + readers + u(5) + slot_key(rs, 5) + u(2) + cert
            equal(write, capabilities["write"], "WRITE")
            both = b"\x03" + head + rs + ws + u(5) + cert
            equal(both, capabilities["read_write"], "READ+WRITE")


def check_chains():
    parities = set()
    for case in load("chains.json"):
        root = bytes.fromhex(case["root"])
        e, j, g = case["epoch"], case["slot"], case["generation"]
        admin = xonly(scalar(xof("ChainChat v1 conv admin", root, 64)))
        cid = kdf("ChainChat v1 conv id", admin)
        rs = kdf("ChainChat v1 conv read", root + u(e))
        w = write_key_scalar(kdf("ChainChat v1 conv write", root + u(e)))
        writers = xonly(w)
        equal(writers, case["W"], "W")
        s = int(case["s"], 16)
        announced = xonly(s)
        equal(announced, case["S"], "S")
        ck = kdf("ChainChat v1 chain", slot_key(rs, j) + cid + u(e) + u(j) + u(g))
        for message in case["messages"]:
            n = message["n"]
            equal(ck, message["ck"], f"ck_{n}")
            tag = kdf("ChainChat v1 tag", ck)
            t = scalar(xof("ChainChat v1 tweak", writers + tag + u(g) + u(n), 64))
            point = add(lift(writers), mul(t))
            d = (even(w) + t) % N
            if n:
                point = add(point, lift(announced))
                d = (d + even(s)) % N
            equal(point[0].to_bytes(32, "big"), message["P"], f"P_{n}")
            equal(d.to_bytes(32, "big"), message["d"], f"d_{n}")
            equal(mul(d), point, f"d_{n} and P_{n}")
            odd = mul(w)[1] % 2, mul(s)[1] % 2 if n else None, point[1] % 2
            equal(odd[2] == 1, message["d_is_odd"], "parity")
            parities.add(odd)
            ck = kdf("ChainChat v1 ratchet", ck)
    equal(len(parities), 12, "parity cases of W, S and P")


BODY_HEAD = 60
AUTH_LEN = {0: 0, 2: 40, 4: 112}


def check_envelope(case, chain, d, salt, body):
    """Names and signatures of an envelope whose content was computed independently."""
    otk = xonly(d)
    equal(otk, case["otk"], "otk")
    kind = 1 if len(body) == (256 << case["class"]) + 16 else 3
    hdr = bytes([1, kind, case["class"], 0]) + chain[:4] + u(77) + otk + salt
    equal(salt, case["salt"], "salt")
    core = kdf("ChainChat v1 core", hdr + plain(body))
    equal(core, case["core_hash"], "core_hash")
    equal(kdf("ChainChat v1 mid", core), case["mid"], "mid")
    if case["auth"] == 0:
        auth = b""
    elif case["auth"] == 2:
        auth = u(128) + u(16) + bytes([1]) * 16 + bytes([2]) * 16
    else:
        payer = int.from_bytes(bytes([9]) * 32, "big")
        paid = xonly(payer) + u(7, 8) + u(1024, 8)
        auth = paid + sign(payer, "ChainChat/clear/v1", chain, core + paid)
    equal(len(auth), AUTH_LEN[case["auth"]], "auth length")
    signature = sign(d, "ChainChat/env/v1", chain, bytes([case["auth"]]) + core + auth)
    wid = kdf("ChainChat v1 wid", bytes([case["auth"]]) + core + auth + signature)
    equal(wid, case["wid"], "wid")
    whole = hdr[:3] + bytes([case["auth"]]) + hdr[4:] + body + auth + signature
    if isinstance(case["envelope"], str):
        equal(whole, case["envelope"], "envelope")
    else:
        equal(len(whole), case["envelope"]["len"], "envelope length")
        equal(plain(whole), case["envelope"]["blake3"], "envelope hash")


def header44(kind, size_class, chain, otk):
    return bytes([1, kind, size_class, 0]) + chain[:4] + u(77) + otk


def check_messages():
    file = load("messages.json")
    chain, ck = bytes.fromhex(file["chain_id"]), bytes.fromhex(file["ck"])
    d, text = int(file["d"], 16), bytes.fromhex(file["plaintext"])
    sealed = {}
    for case in file["envelopes"]:
        size_class = case["class"]
        padded = text + bytes((256 << size_class) - len(text))
        if size_class not in sealed:
            sealed[size_class] = seal(ck, header44(1, size_class, chain, xonly(d)), padded)
        salt, body = sealed[size_class]
        ref = kdf("ChainChat v1 ref", xonly(d) + plain(padded))
        equal(ref, case["ref"], "ref")
        check_envelope(case, chain, d, salt, body)


def check_inbox():
    file = load("inbox.json")
    chain = bytes.fromhex(file["chain_id"])
    public, keys = xwing_keys(bytes.fromhex(file["dk_inbox"]))
    equal(public, file["inbox_ek"], "inbox key")
    recipient, generation = bytes.fromhex(file["recipient"]), u(file["inbox_generation"])
    for case in file["envelopes"]:
        raw = bytes.fromhex(case["envelope"])
        text = bytes.fromhex(case["plaintext"])
        otk, kct = raw[12:44], raw[60:1180]
        equal(otk, case["otk"], "otk")
        ik = kdf("ChainChat v1 inbox", xwing_decapsulate(keys, kct) + plain(kct) + recipient + generation)
        ad = header44(3, case["class"], chain, otk) + plain(kct)
        padded = text + bytes((256 << case["class"]) - len(text))
        salt, sealed = seal(ik, ad, padded)
        equal(salt, case["salt"], "salt")
        equal(kct + sealed, raw[60:1180 + len(sealed)].hex(), "inbox body")
        equal(kdf("ChainChat v1 ref", otk + plain(padded)), case["ref"], "ref")
        flags, sender = text[1], text[2:34]
        equal(flags, {"account": 0, "session": 1, "anonymous": 2}[case["sender"]], "flags")
        signer = sender
        if flags == 1:
            cert = text[34:225]
            check_delegation(cert, chain)
            equal(cert[5:37], sender.hex(), "delegating account")
            signer = cert[37:69]
        before, signature = text[:-64], text[-64:]
        body = recipient + generation + plain(kct) + otk + plain(before)
        message = message_of("ChainChat/inbox/v1", chain, body)
        truth(schnorr_verify(signer, message, signature), "inbox signature")
        core = kdf("ChainChat v1 core", raw[:3] + b"\0" + raw[4:60] + plain(kct + sealed))
        equal(core, case["core_hash"], "core_hash")
        equal(kdf("ChainChat v1 mid", core), case["mid"], "mid")
        auth = raw[1180 + len(sealed):-64]
        tail = bytes([case["auth"]]) + core + auth
        message = message_of("ChainChat/env/v1", chain, tail)
        truth(schnorr_verify(otk, message, raw[-64:]), "envelope signature")
        equal(kdf("ChainChat v1 wid", tail + raw[-64:]), case["wid"], "wid")


def check_delegation(cert, chain):
    equal(len(cert), 191, "length of a delegation")
    equal(cert[:5], (b"\x01" + chain[:4]).hex(), "version and chain of a delegation")
    message = message_of("ChainChat/delegation/v1", chain, cert[:-64])
    truth(schnorr_verify(cert[5:37], message, cert[-64:]), "delegation")


def check_layouts():
    file = load("layouts.json")
    chain = bytes.fromhex(file["chain_id"])
    cert = bytes.fromhex(file["delegation"])
    check_delegation(cert, chain)
    account, session = (int.from_bytes(bytes([b]) * 32, "big") for b in (4, 5))
    terms = xonly(account) + xonly(session) + u(10) + u(1_296_010) + u(15, 2) + bytes(32)
    terms = b"\x01" + chain[:4] + terms + bytes([6]) * 16
    equal(terms + sign(account, "ChainChat/delegation/v1", chain, terms), cert.hex(), "delegation")
    author = file["author"]
    announced = bytes.fromhex(author["S"])
    place = bytes.fromhex(author["cid"]) + u(author["epoch"]) + u(author["slot"])
    place += u(author["generation"]) + announced + bytes.fromhex(author["otk_0"])
    signature = sign(session, "ChainChat/author/v1", chain, place)
    equal(signature, author["signature"], "author signature")
    body = announced + b"\x01" + cert + signature + b"\x04desk"
    start = b"\x01\x02" + u(1_700_000_000_123, 8) + bytes(16) + b"\0" + u(len(body)) + body
    equal(start, file["chain_start"], "CHAIN_START")
    equal(file["chain_start_class"], 1, "class of CHAIN_START")
    words = "hello, Москва".encode()
    body = b"\0" + u(len(words), 2) + words
    text = b"\x10\0" + u(1_700_000_000_123, 8) + bytes([0xAA]) * 16
    text += b"\x02" + bytes([0xBB]) * 32 + u(len(body)) + body
    equal(text, file["text"], "TEXT")
    prefix, digits = file["invite_link"].split("#")
    equal(prefix, "x3c:invite/1", "link prefix")
    raw = urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
    name = file["invite_link_name"].encode()
    link = bytes.fromhex(file["invite_link_capability"]) + u(file["invite_link_birthday"])
    link += bytes([len(name)]) + name
    equal(raw, (link + plain(link)[:4]).hex(), "invite link")


if __name__ == "__main__":
    for check in (check_xwing, check_keys, check_chains, check_messages, check_inbox, check_layouts):
        check()
        print(f"{check.__name__}: ok")
    print(f"{CHECKS} values agree")
