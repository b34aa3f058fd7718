"""Owns every default, once, with where its number comes from, and the options that cross rooms."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path

from deltastream.errors import OptionError

__all__ = [
    "BACKOFF_MAX_S",
    "BACKOFF_S",
    "BLOCK_FILES",
    "CACHE_ITEM_NBYTES",
    "DEFAULT_CACHE_NBYTES",
    "DEFAULT_MEMORY_BUDGET",
    "DEFAULT_SHUFFLE_NBYTES",
    "DEFAULT_SHUFFLE_ROWS",
    "FETCH_AHEAD_NBYTES",
    "FILTER_COUNT_TIMEOUT_S",
    "FIRST_BLOCK_ROWS",
    "FOOTERS_AHEAD_FILES",
    "FOOTERS_AHEAD_NBYTES",
    "FOOTER_CACHE_NBYTES",
    "FOOTER_NBYTES",
    "GIVE_UP_S",
    "HOT_NBYTES",
    "INSPECTED_FOOTERS",
    "INSPECTED_STATISTICS_FILES",
    "JOB_STORE_TIMEOUT_S",
    "KEPT_BUFFERS_NBYTES",
    "LANES_PER_CONSUMER",
    "LEAST_STALL_S",
    "MAX_ATTEMPTS",
    "MAX_GAP_NBYTES",
    "MAX_LANES",
    "MAX_REFETCHES",
    "MAX_REQUESTS",
    "MIN_LANE_BATCHES",
    "MIN_LANE_WINDOWS",
    "MIN_REQUESTS",
    "PLANNING_THREADS",
    "REQUEST_NBYTES",
    "SEQUENTIAL_BLOCK_ROWS",
    "SEQUENTIAL_WINDOW_NBYTES",
    "SLOWEST_NBYTES_PER_S",
    "SLOW_NBYTES_PER_S",
    "SMALL_FILES_NBYTES",
    "STALL_S",
    "START_REQUESTS",
    "WINDOWS_IN_BUDGET",
    "OrderOptions",
    "flag",
    "whole_number",
]

DEFAULT_MEMORY_BUDGET = 1 << 30
"""Bytes one iterator may hold: eight lanes with an open window and one read ahead, at 64 MiB each. Footers that are
kept for later epochs, about 32 MiB at most, are outside it; and between epochs 64 MiB of buffers stay."""

DEFAULT_CACHE_NBYTES = 64 << 30
"""Bytes of the disk cache, unless the user says how much of the disk it may take."""

DEFAULT_SHUFFLE_ROWS = 131_072
"""Rows of a window. At 4 bytes a column it is half of an L2 cache of 1 MiB: scattering costs 1.6 ns a value there."""

DEFAULT_SHUFFLE_NBYTES = 64 << 20
"""Bytes of a window."""

BLOCK_FILES = 64
"""Files of mean size in a block: row groups mix across them, and their footers are read before the first batch."""

SEQUENTIAL_BLOCK_ROWS = 65_536
"""Rows of a block without shuffle, at most: there it only says which footers are read together."""

FIRST_BLOCK_ROWS = 1024
"""Rows of the first one, or of a batch that has more: its footers come before the first batch."""

SEQUENTIAL_WINDOW_NBYTES = 16 << 20
"""Bytes of a window without shuffle. Small row groups share one: each window takes Python, and each batch that lies
across two is copied once more. Row groups of 1,200 rows of 784 bytes are read a third faster so."""

WINDOWS_IN_BUDGET = 16
"""How many such windows the memory budget has room for, at least."""

FOOTER_CACHE_NBYTES = 32 << 20
"""Bytes of footers kept for later epochs: those of about 1,000 files of 32 column chunks. Reading one costs 0.2 ms."""

FOOTER_NBYTES = 64 << 10
"""Bytes asked for at the end of a remote file; one that is no longer comes whole. The footer of 34 columns takes 5.5 kB
a row group; in the time of a request at 30 ms that many bytes are nothing. Arrow looks for footers in as many."""

REQUEST_NBYTES = 8 << 20
"""Bytes of a request for column chunks, at most: longer ones are divided, and come side by side."""

CACHE_ITEM_NBYTES = 32 << 20
"""Bytes of column chunks that a cache keeps as one item, at most. One that is read in two pieces costs a tenth more to
decode."""

MAX_GAP_NBYTES = 64 << 10
"""Bytes between two column chunks that are fetched rather than asked around."""

FETCH_AHEAD_NBYTES = 128 << 20
"""Encoded bytes that are on their way or wait for a decode thread: 100 ms at 1.3 GB/s."""

SMALL_FILES_NBYTES = 16 << 20
"""Bytes of files that came whole with their footers and wait for their turn."""

FOOTERS_AHEAD_NBYTES = 128 << 20
FOOTERS_AHEAD_FILES = 128
"""Remote files whose footers are fetched ahead: as many as have so many bytes, or the next block's if it has more."""


def _l2_cache_nbytes() -> int:
    try:
        size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text("ascii")
        return int(size.strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 0  # not Linux, or a machine that does not say


HOT_NBYTES = max(1 << 19, _l2_cache_nbytes() // 2)
"""Decoded bytes that are copied before more are decoded: half of the processor's L2 cache. 34 float columns of 100,000
rows, decoded and permuted, then cost 181 ns a row, and 251 if all are decoded before; to drop 2 % of their rows 143,
and not 169."""

KEPT_BUFFERS_NBYTES = 64 << 20
"""Bytes of window memory kept between epochs: one full shuffle window. Of new memory every page is cleared: 60,000 rows
of 784 bytes, one window, are read a tenth faster, and an eighth in batches of 32."""

LANES_PER_CONSUMER = 8
MAX_LANES = 1 << 20
"""An order keeps a few words for each lane."""

MIN_LANE_BATCHES = 16
MIN_LANE_WINDOWS = 16
"""A lane's ends cut row groups, which both sides decode: of 16 windows that is a sixteenth at most. Eight lanes of 5
windows each read a fifth more."""

INSPECTED_FOOTERS = 64
"""Footers that `inspect` reads unasked: 10 ms from a warm disk, four rounds of sixteen requests from a store."""

INSPECTED_STATISTICS_FILES = 10_000
"""Files up to which `inspect` tells of each column's statistics unasked: it reads the log once more for them."""

JOB_STORE_TIMEOUT_S = 600.0
"""How long a rank waits for rank 0 to read the log, say: what NCCL waits for a rank by default."""

FILTER_COUNT_TIMEOUT_S = 7200.0
"""How long a rank waits for rank 0 to read a filter's columns, of terabytes perhaps. A rank 0 that fails says so."""

PLANNING_THREADS = 2
"""Threads that read the log: one parses while one reads."""

MAX_ATTEMPTS = 12
"""Attempts in a row that bring nothing: where a third of all requests fail, one of 500,000 fails so often."""

GIVE_UP_S = 25.0
"""Time without a new byte after which a request fails: a minute of silence is an outage, and 30 s is what one wants to
wait for being told."""

MAX_REFETCHES = 3
"""How often bytes that do not decode are fetched anew: where a twentieth is flipped, one job of 160,000 fails."""

STALL_S = 4.0
LEAST_STALL_S = 0.5
"""Time without a byte after which an attempt is broken off: five times what the slowest tenth of the last answers
took, in these bounds. The upper one is ten times the slowest hundredth of a store whose median is 30 ms."""

SLOW_NBYTES_PER_S = 256 << 10
"""The slowest rate at which an attempt is waited for: 16 requests that share 32 Mbit/s. On a slower line attempts are
broken off, and fewer are made at once, until they are as fast."""

SLOWEST_NBYTES_PER_S = 16 << 10
"""The slowest rate of a request, all its attempts together: 2 requests, which are the fewest, that share 256 kbit/s."""

BACKOFF_S = 0.1
BACKOFF_MAX_S = 4.0
"""Waits between attempts are drawn below 0.1 s, 0.2 s and so on, up to this."""

MIN_REQUESTS = 2
START_REQUESTS = 16
MAX_REQUESTS = 64
"""Requests in flight to one store."""


def flag(name: str, value: object) -> bool:
    """Return a user's yes or no, which may be NumPy's, or 0 or 1.

    Raises:
        OptionError: It is neither.
    """
    if value not in (0, 1):
        raise OptionError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """Return a user's number, which may be NumPy's, as Python's own.

    Raises:
        OptionError: It is no integer of at least `least`.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise OptionError(f"{name} must be an integer of at least {least}, got {value!r}")
    return number


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """Everything but the table, the epoch and the lanes that the order depends on."""

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    drop_last: bool = False
    shuffle_rows: int = DEFAULT_SHUFFLE_ROWS
    shuffle_nbytes: int = DEFAULT_SHUFFLE_NBYTES
    block_rows: int = DEFAULT_SHUFFLE_ROWS
    first_block_rows: int = 0
    """Rows of a lane's first block, if it is to be smaller than the others."""
    sequential_nbytes: int = 0
    """Bytes of a window without shuffle, at most, but for a row group that has more; 0: each one is a window."""
    sequential_rows: int = DEFAULT_SHUFFLE_ROWS
    """Rows of such a window, likewise."""

    def __post_init__(self) -> None:
        for name in ("shuffle", "drop_last"):
            # None is what torch's DataLoader takes for no shuffle.
            object.__setattr__(self, name, flag(name, getattr(self, name) or False))
        for name in ("batch_size", "shuffle_rows", "shuffle_nbytes", "block_rows"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        if not 0 <= self.first_block_rows <= self.block_rows:
            raise OptionError(f"need 0 <= first_block_rows <= {self.block_rows}")
        object.__setattr__(self, "seed", whole_number("seed", self.seed, least=0))
        if self.seed >= 1 << 63:
            raise OptionError(f"seed must be below 2**63, got {self.seed}")

    def num_microbatches(self, num_rows: int) -> int:
        """Return how many microbatches an epoch of `num_rows` rows has, for any number of lanes."""
        return num_rows // self.batch_size if self.drop_last else -(-num_rows // self.batch_size)
