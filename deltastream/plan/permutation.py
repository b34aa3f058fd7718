"""Owns the only source of randomness: permutations that stay the same for ever."""

from __future__ import annotations

import struct
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

__all__ = ["permutation"]


def permutation(num_items: int, *key: int) -> npt.NDArray[np.int64]:
    """Return a permutation of ``range(num_items)``, int64, that depends on `key` alone.

    `RandomState` over `Philox`: the streams that NumPy has frozen (NEP 19; those of `Generator` are not). The key's
    integers, one per level of the order, are hashed into Philox's 128 bits, so that no two levels share a stream.
    """
    packed = struct.pack(f"<{len(key)}q", *key)
    digest = blake2b(packed, digest_size=16, person=b"deltastream-1").digest()
    bits = np.random.Philox(key=np.frombuffer(digest, "<u8").astype(np.uint64))
    return np.random.RandomState(bits).permutation(num_items).astype(np.int64, copy=False)
