"""The canonical encoding: readers and writers of every type, made of a few parts.

A reader takes bytes and an offset and returns the readable twin and the next offset; a writer takes
the twin and returns bytes. Whatever a reader does not accept raises `Refused`.
"""


class Refused(Exception):
    """Not an encoding of the type; holds the name of the reason."""


def take(data, at, count):
    if at + count > len(data):
        raise Refused("Malformed")
    return data[at:at + count], at + count


class Number:
    """Little-endian, fixed width; 64-bit numbers are decimal strings in the twin."""

    def __init__(self, width):
        self.width = width

    def read(self, data, at):
        raw, at = take(data, at, self.width)
        value = int.from_bytes(raw, "little")
        return (str(value) if self.width == 8 else value), at

    def write(self, twin):
        return int(twin).to_bytes(self.width, "little")


class Bytes:
    """So many raw bytes."""

    def __init__(self, count):
        self.count = count

    def read(self, data, at):
        raw, at = take(data, at, self.count)
        return raw.hex(), at

    def write(self, twin):
        raw = bytes.fromhex(twin)
        assert len(raw) == self.count
        return raw


class List:
    """A u64 count and the items."""

    def __init__(self, item, count_max=1 << 20):
        self.item, self.count_max = item, count_max

    def read(self, data, at):
        count, at = U64.read(data, at)
        if int(count) > min(self.count_max, len(data)):
            raise Refused("Malformed")
        items = []
        for _ in range(int(count)):
            item, at = self.item.read(data, at)
            items.append(item)
        return items, at

    def write(self, twin):
        return U64.write(len(twin)) + b"".join(self.item.write(item) for item in twin)


class ByteString:
    """A u64 length and raw bytes."""

    def read(self, data, at):
        length, at = U64.read(data, at)
        raw, at = take(data, at, int(length))
        return raw.hex(), at

    def write(self, twin):
        raw = bytes.fromhex(twin)
        return U64.write(len(raw)) + raw


class Maybe:
    """A flag byte, 0 or 1, and the value if it is 1."""

    def __init__(self, item):
        self.item = item

    def read(self, data, at):
        flag, at = U8.read(data, at)
        if flag > 1:
            raise Refused("Malformed")
        return self.item.read(data, at) if flag else (None, at)

    def write(self, twin):
        return b"\0" if twin is None else b"\1" + self.item.write(twin)


class Struct:
    """Named fields, one after the other."""

    def __init__(self, **fields):
        self.fields = fields

    def read(self, data, at):
        twin = {}
        for name, part in self.fields.items():
            twin[name], at = part.read(data, at)
        return twin, at

    def write(self, twin):
        assert set(twin) == set(self.fields), sorted(set(twin) ^ set(self.fields))
        return b"".join(part.write(twin[name]) for name, part in self.fields.items())


class Tagged:
    """A kind byte, then the fields of that kind, in one twin."""

    def __init__(self, kinds):
        self.kinds = kinds

    def read(self, data, at):
        kind, at = U8.read(data, at)
        if kind not in self.kinds:
            raise Refused("Malformed")
        twin, at = self.kinds[kind].read(data, at)
        return {"kind": kind, **twin}, at

    def write(self, twin):
        rest = {name: value for name, value in twin.items() if name != "kind"}
        return U8.write(twin["kind"]) + self.kinds[twin["kind"]].write(rest)


class TransactionLayout:
    """Version, kind, common prefix, body by kind, signature."""

    def read(self, data, at):
        version, at = U8.read(data, at)
        kind, at = U8.read(data, at)
        if kind not in ORDERS:
            raise Refused("Malformed")
        prefix, at = PREFIX.read(data, at)
        body, at = ORDERS[kind].read(data, at)
        signature, at = SIGNATURE.read(data, at)
        twin = {"version": version, "kind": kind, **prefix, "body": body, "signature": signature}
        return twin, at

    def write(self, twin):
        prefix = {name: twin[name] for name in PREFIX.fields}
        head = U8.write(twin["version"]) + U8.write(twin["kind"]) + PREFIX.write(prefix)
        return head + ORDERS[twin["kind"]].write(twin["body"]) + SIGNATURE.write(twin["signature"])


U8, U16, U32, U64 = Number(1), Number(2), Number(4), Number(8)
HASH, ACCOUNT, SIGNATURE = Bytes(32), Bytes(20), Bytes(64)

HEADER = Struct(
    version=U32, height=U64, parent=HASH, time_ms=U64, target=U32, pow_count=U64, tx_root=HASH,
    envelope_root=HASH, aux_root=HASH, state_root=HASH, supply=U64, justified=U32, finalized=U32,
    payout=ACCOUNT, pow_commit=Bytes(16), nonce=U64, extra=U64, solution=Bytes(16),
)
STAMP = Struct(effort=U32, reference=U32, nonce=Bytes(16), solution=Bytes(16))
RECORD = Struct(
    version=U8, key=HASH, inbox_generation=U32, inbox_key=Bytes(1216), valid_from=U32,
    valid_to=U32, flags=U16, name_hash=HASH, previous=Bytes(24), signature=SIGNATURE,
)
PREFIX = Struct(sender=HASH, nonce=U64, max_fee=U64, tip=U64)
OF_BOND, OF_MASTERNODE = Struct(bond=U32), Struct(masternode=U32)
ORDERS = {
    0: Struct(outputs=List(Struct(to=ACCOUNT, amount=U64), 256)),
    1: Struct(vote_key=HASH, amount=U64, possession=SIGNATURE),
    2: OF_BOND,
    3: OF_BOND,
    5: Struct(operator_key=HASH, voting_key=HASH, payout=ACCOUNT,
              address=Struct(ip=Bytes(16), port=U16), service=U32,
              operator_possession=SIGNATURE, voting_possession=SIGNATURE),
    6: OF_MASTERNODE,
    7: OF_MASTERNODE,
    8: Struct(record=RECORD, stamp=Maybe(STAMP)),
}
TRANSACTION = TransactionLayout()
VOTE = Struct(height=U64, block=HASH, bond=U32, signature=SIGNATURE)
INCLUDED_VOTE = Struct(back=U8, bond=U32, signature=SIGNATURE)
FINALITY_VOTE = Struct(source=U32, target=U32, target_id=HASH, masternode=U32, signature=SIGNATURE)
FINALITY_GROUP = Struct(
    target=U32, signatures=List(Struct(masternode=U32, signature=SIGNATURE), 256),
)
LINK = Struct(source=U32, target=U32, target_id=HASH, signature=SIGNATURE)
EVIDENCE = Tagged({
    0: Struct(bond=U32, height=U64, block_a=HASH, signature_a=SIGNATURE, block_b=HASH,
              signature_b=SIGNATURE),
    1: Struct(masternode=U32, first=LINK, second=LINK),
})
AUX = Struct(
    uncles=List(HEADER), votes=List(INCLUDED_VOTE), finality=List(FINALITY_GROUP),
    evidence=List(EVIDENCE),
)
BODY = Struct(transactions=List(TRANSACTION), envelopes=List(ByteString()), aux=AUX)
BLOCK = Struct(header=HEADER, body=BODY)

# Name in the vector files -> (layout, longest input that is looked at).
TYPES = {
    "header": (HEADER, 276),
    "transaction": (TRANSACTION, 16 << 10),
    "account_record": (RECORD, 1383),
    "vote": (VOTE, 108),
    "included_vote": (INCLUDED_VOTE, 69),
    "finality_vote": (FINALITY_VOTE, 108),
    "finality_group": (FINALITY_GROUP, 4 + 8 + 256 * 68),
    "evidence": (EVIDENCE, 213),
    "aux": (AUX, 64 << 10),
    "body": (BODY, 1 << 20),
    "block": (BLOCK, (1 << 20) + 276),
    "envelope_bytes": (ByteString(), 8 + 66_988),
}


def decode(name, data):
    """The twin of exactly these bytes."""
    layout, bytes_max = TYPES[name]
    if len(data) > bytes_max:
        raise Refused("TooLong")
    twin, at = layout.read(data, 0)
    if at != len(data):
        raise Refused("Malformed")
    return twin


def encode(name, twin):
    return TYPES[name][0].write(twin)


# Envelopes have a layout of their own, fixed by kind, class and auth kind.
ENVELOPE_KINDS = {1: 0, 3: 1120, 4: 0}
AUTHS = {
    0: None,
    1: Struct(nullifier=HASH, y=HASH, proof=Bytes(128)),
    2: STAMP,
    3: Struct(nullifier=HASH, change=HASH, proof=Bytes(128)),
    4: Struct(payer=HASH, nonce=U64, burn=U64, signature=SIGNATURE),
}
AUTH_BYTES = {0: 0, 1: 192, 2: 40, 3: 192, 4: 112}
ENVELOPE_HEADER = Struct(
    version=U8, kind=U8, **{"class": U8}, auth_kind=U8, net=Bytes(4), rate_epoch=U32,
    one_time_key=HASH, salt=Bytes(16),
)


def decode_envelope(data):
    """Header twin, body, auth block and signature of an envelope."""
    if len(data) < 60:
        raise Refused("Length")
    head, _ = ENVELOPE_HEADER.read(data, 0)
    if head["version"] != 1:
        raise Refused("Version")
    if head["kind"] not in ENVELOPE_KINDS:
        raise Refused("Kind")
    if head["class"] > 8:
        raise Refused("Class")
    if head["auth_kind"] not in AUTHS:
        raise Refused("Auth")
    body_bytes = ENVELOPE_KINDS[head["kind"]] + (256 << head["class"]) + 16
    auth_bytes = AUTH_BYTES[head["auth_kind"]]
    if len(data) != 60 + body_bytes + auth_bytes + 64:
        raise Refused("Length")
    body = data[60:60 + body_bytes]
    auth = data[60 + body_bytes:60 + body_bytes + auth_bytes]
    return head, body, auth, data[-64:]
