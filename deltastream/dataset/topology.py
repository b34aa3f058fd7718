"""Owns which rank of how many this process is."""

from __future__ import annotations

import os

import torch.distributed

from deltastream.errors import OptionError

__all__ = ["check_ranks", "resolve_ranks"]


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
            rank, num_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        else:
            rank, num_ranks = 0, 1
    if not 0 <= rank < num_ranks:
        raise OptionError(f"need 0 <= rank < num_ranks, got rank={rank}, num_ranks={num_ranks}")
    return rank, num_ranks


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
