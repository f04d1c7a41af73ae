"""BLAKE3 from its specification, in the plainest form: hash and key derivation of any length.

Slow (some hundred kilobytes a second) and meant for checking vectors only.
"""

IV = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
    0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXES = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED_HASH = 1, 2, 4, 8, 16
DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL = 32, 64
BLOCK_BYTES, CHUNK_BYTES = 64, 1024
MASK = 0xFFFFFFFF


def rotate(word, count):
    return (word >> count | word << (32 - count)) & MASK


def compress(chaining, block, counter, length, flags):
    """The compression function: 16 output words."""
    words = [int.from_bytes(block[i:i + 4], "little") for i in range(0, BLOCK_BYTES, 4)]
    state = list(chaining) + list(IV[:4])
    state += [counter & MASK, counter >> 32 & MASK, length, flags]
    for round_number in range(7):
        for index, (a, b, c, d) in enumerate(MIXES):
            for word, first, second in ((words[2 * index], 16, 12), (words[2 * index + 1], 8, 7)):
                state[a] = (state[a] + state[b] + word) & MASK
                state[d] = rotate(state[d] ^ state[a], first)
                state[c] = (state[c] + state[d]) & MASK
                state[b] = rotate(state[b] ^ state[c], second)
        if round_number < 6:
            words = [words[source] for source in PERMUTATION]
    low = [state[i] ^ state[i + 8] for i in range(8)]
    high = [state[i + 8] ^ chaining[i] for i in range(8)]
    return low + high


class Output:
    """A node of the tree before it is known whether it is the root."""

    def __init__(self, chaining, block, counter, length, flags):
        self.chaining, self.block, self.counter = chaining, block, counter
        self.length, self.flags = length, flags

    def chaining_value(self):
        return compress(self.chaining, self.block, self.counter, self.length, self.flags)[:8]

    def root_bytes(self, count):
        out = b""
        index = 0
        while len(out) < count:
            words = compress(self.chaining, self.block, index, self.length, self.flags | ROOT)
            out += b"".join(word.to_bytes(4, "little") for word in words)
            index += 1
        return out[:count]


def chunk_output(key, chunk, counter, flags):
    chaining = list(key)
    blocks = [chunk[i:i + BLOCK_BYTES] for i in range(0, len(chunk), BLOCK_BYTES)] or [b""]
    for index, block in enumerate(blocks):
        now = flags | (CHUNK_START if index == 0 else 0)
        last = index == len(blocks) - 1
        now |= CHUNK_END if last else 0
        padded = block.ljust(BLOCK_BYTES, b"\0")
        output = Output(chaining, padded, counter, len(block), now)
        if last:
            return output
        chaining = output.chaining_value()


def tree_output(key, data, counter, flags):
    if len(data) <= CHUNK_BYTES:
        return chunk_output(key, data, counter, flags)
    chunks = (len(data) + CHUNK_BYTES - 1) // CHUNK_BYTES
    left_chunks = 1 << ((chunks - 1).bit_length() - 1)
    left = tree_output(key, data[:left_chunks * CHUNK_BYTES], counter, flags)
    right = tree_output(key, data[left_chunks * CHUNK_BYTES:], counter + left_chunks, flags)
    words = left.chaining_value() + right.chaining_value()
    block = b"".join(word.to_bytes(4, "little") for word in words)
    return Output(list(key), block, 0, BLOCK_BYTES, flags | PARENT)


def blake3(data, count=32):
    """The plain hash."""
    return tree_output(IV, data, 0, 0).root_bytes(count)


def key_words(key):
    return [int.from_bytes(key[i:i + 4], "little") for i in range(0, 32, 4)]


def keyed_hash(key, data, count=32):
    """The hash under a key of 32 bytes."""
    return tree_output(key_words(key), data, 0, KEYED_HASH).root_bytes(count)


def derive_key(context, material, count=32):
    """The hash under a context."""
    context_key = tree_output(IV, context.encode(), 0, DERIVE_KEY_CONTEXT).root_bytes(32)
    return tree_output(key_words(context_key), material, 0, DERIVE_KEY_MATERIAL).root_bytes(count)


def self_test():
    """Published digests of BLAKE3; raises when this file is wrong."""
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    abc = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
    assert blake3(b"").hex() == empty
    assert blake3(b"abc").hex() == abc
