"""Owns Z85, the variant of base 85 in which the log writes bytes."""

from __future__ import annotations

import numpy as np

__all__ = ["decode_z85"]

_ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_NO_DIGIT = 85
_DIGITS = np.full(256, _NO_DIGIT, np.uint64)
_DIGITS[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(85)
_POWERS = 85 ** np.arange(4, -1, -1, dtype=np.uint64)


def decode_z85(text: str) -> bytes:
    """Return the bytes of `text`, four for every five characters.

    https://rfc.zeromq.org/spec/32/

    Raises:
        ValueError: It is no Z85.
    """
    characters = text.encode()
    if len(characters) % 5:
        raise ValueError(f"its length, {len(characters)}, is no multiple of 5")
    digits = _DIGITS[np.frombuffer(characters, np.uint8)]
    if (digits == _NO_DIGIT).any():
        raise ValueError(f"{text[:40]!r} has characters outside the alphabet")
    words = digits.reshape(-1, 5) @ _POWERS
    if (words >> np.uint64(32)).any():
        raise ValueError("five characters stand for more than four bytes")
    return words.astype(">u4").tobytes()
