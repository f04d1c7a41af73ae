"""Stands in for the package `blake3`, so that the checks of vectors need Python's standard library alone.

Slow; the same results.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "chain" / "vectors"))

import blake3_reference  # noqa: E402


class blake3:  # the package's own spelling
    """The hash of one input: plain, keyed or under a context."""

    def __init__(self, data=b"", /, *, key=None, derive_key_context=None):
        self.data, self.key, self.context = bytes(data), key, derive_key_context

    def update(self, data, /):
        self.data += bytes(data)
        return self

    def digest(self, length=32):
        if self.context is not None:
            return blake3_reference.derive_key(self.context, self.data, length)
        if self.key is not None:
            return blake3_reference.keyed_hash(self.key, self.data, length)
        return blake3_reference.blake3(self.data, length)

    def hexdigest(self, length=32):
        return self.digest(length).hex()
