"""Owns who reads: which rank of how many this process is, and what each of its workers may hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import torch.distributed

from deltastream.engine.pool import usable_cores
from deltastream.errors import OptionError
from deltastream.options import MAX_LANES, flag, whole_number
from deltastream.plan import Consumer

__all__ = ["Topology", "check_fixed_rank", "check_ranks", "resolve_ranks"]


@dataclass(frozen=True, slots=True)
class Topology:
    """A rank, and what its user said of those who read for it."""

    rank: int
    num_ranks: int
    has_given_rank: bool
    lanes: int | Literal["auto"]
    pad: bool | None
    """None: where there are several ranks."""
    memory_budget: int
    """Of all workers of the rank together."""
    decode_threads: int | None
    """Of one worker; None: its share of the cores."""
    transform_threads: int | None
    """None: as many as decode."""

    def __post_init__(self) -> None:
        if self.lanes != "auto":
            lanes = whole_number('if not "auto", lanes', self.lanes)
            if lanes > MAX_LANES:
                raise OptionError(f"lanes must be at most {MAX_LANES}, got {lanes}")
            object.__setattr__(self, "lanes", lanes)
        if self.pad is not None:
            object.__setattr__(self, "pad", flag("pad", self.pad))
        for name in ("memory_budget", "decode_threads", "transform_threads"):
            count = getattr(self, name)
            if count is None and name != "memory_budget":
                continue
            object.__setattr__(self, name, whole_number(name, count))

    @property
    def pads(self) -> bool:
        return self.num_ranks > 1 if self.pad is None else self.pad

    def consumer(self, num_workers: int = 1, worker: int = 0) -> Consumer:
        return Consumer(self.num_ranks, self.rank, num_workers, worker)

    def budget(self, num_workers: int) -> int:
        """Return the bytes that each of the workers may hold."""
        return max(1, self.memory_budget // num_workers)

    def threads(self, num_workers: int) -> tuple[int, int]:
        """Return in how many threads each of the workers decodes, and runs transforms."""
        decode = self.decode_threads or max(1, usable_cores() // num_workers)
        return decode, self.transform_threads or decode


def check_fixed_rank(use_fixed_rank: bool, rank: int | None, num_ranks: int | None) -> None:
    """Raise where deltatorch's three arguments contradict each other.

    Raises:
        OptionError: A rank without `use_fixed_rank`, or that without rank and number.
    """
    if not use_fixed_rank and (rank is not None or num_ranks is not None):
        raise OptionError("rank and num_ranks are used with use_fixed_rank=True only")
    if use_fixed_rank and (rank is None or num_ranks is None):
        raise OptionError("use_fixed_rank=True needs rank and num_ranks")


def resolve_ranks(rank: int | None, num_ranks: int | None) -> tuple[int, int]:
    """Return (rank, world size): as given, else torch.distributed's, else torchrun's environment, else (0, 1).

    Raises:
        OptionError: Only one of the two is given, or they contradict each other.
    """
    if (rank is None) != (num_ranks is None):
        raise OptionError(
            f"give rank and num_ranks, or neither; got rank={rank}, num_ranks={num_ranks}"
        )
    if rank is None or num_ranks is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, num_ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
        elif "RANK" in os.environ and "WORLD_SIZE" in os.environ:
            rank, num_ranks = _from_environment("RANK"), _from_environment("WORLD_SIZE")
        else:
            rank, num_ranks = 0, 1
    are_integers = isinstance(rank, Integral) and isinstance(num_ranks, Integral)
    if not are_integers or not 0 <= rank < num_ranks:
        raise OptionError(
            f"need integers 0 <= rank < num_ranks, got rank={rank!r}, num_ranks={num_ranks!r}"
        )
    return int(rank), int(num_ranks)


def _from_environment(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise OptionError(f"the environment variable {name} must be an integer, got {text!r}")
    return int(text)


def check_ranks(rank: int, num_ranks: int) -> None:
    """Compare ranks that were resolved earlier with what torch.distributed says now, if it is initialised by now.

    Raises:
        OptionError: They differ: every rank would read the share of the one that it was before.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        now = torch.distributed.get_rank(), torch.distributed.get_world_size()
        if now != (rank, num_ranks):
            raise OptionError(
                f"this loader was made as rank {rank} of {num_ranks}, before torch.distributed was initialised as rank "
                f"{now[0]} of {now[1]}: make it afterwards (with Lightning in train_dataloader()); or, if this is the "
                f"share that you want, give use_fixed_rank=True, rank={rank}, num_ranks={num_ranks}"
            )
