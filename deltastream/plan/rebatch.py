"""Owns the change of the batch size within an epoch: where the order allows it, and what becomes of a position."""

from __future__ import annotations

from deltastream.errors import OptionError

__all__ = ["rebatch"]


def rebatch(
    microbatch: int, *, num_rows: int, lanes: int, shuffle: bool, before: int, after: int
) -> int:
    """Return the microbatch of `after` rows that begins where microbatch number `microbatch` of `before` rows does.

    Raises:
        OptionError: There is none; it says why.
    """
    if microbatch == 0 or before == after:
        return microbatch
    refused = f"batch_size: the state has {before}, this loader {after}, and the position does not allow the change"
    old_batches, new_batches = num_rows // (lanes * before), num_rows // (lanes * after)
    if lanes == 1 and not shuffle:
        # 1. Base order, and the shared lane goes on where the only other ends: a position is a number of rows.
        rows = min(microbatch * before, num_rows)
        if rows % after and rows < num_rows:
            raise OptionError(f"{refused}: {rows} rows were read, no multiple of {after}")
        return -(-rows // after)
    # 2. The lanes have to be the same stretches of the epoch: their ends cut blocks and windows.
    if old_batches * before != new_batches * after:
        raise OptionError(
            f"{refused}: each of the {lanes} lanes would have {new_batches * after} rows and not "
            f"{old_batches * before}; change it at the end of an epoch"
        )
    in_lanes = old_batches * lanes
    if microbatch < in_lanes:
        rounds, rest = divmod(microbatch, lanes)
        if rest:
            raise OptionError(
                f"{refused}: {rest} of the {lanes} lanes are a batch ahead; stop at a multiple of {lanes} batches of "
                "all ranks together"
            )
        rows = rounds * before
        if rows % after:
            raise OptionError(
                f"{refused}: {rows} rows of each lane were read, no multiple of {after}"
            )
        return rows // after * lanes
    # 3. In the shared lane, which is read by itself, in order.
    rows = (microbatch - in_lanes) * before
    left = num_rows - in_lanes * before
    if rows % after and rows < left:
        raise OptionError(
            f"{refused}: {rows} rows of the last lane were read, no multiple of {after}"
        )
    return new_batches * lanes + -(-min(rows, left) // after)
