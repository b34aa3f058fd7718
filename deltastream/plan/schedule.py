"""Owns who takes which microbatch at which step."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from deltastream.errors import OptionError

__all__ = ["Consumer", "Schedule"]


@dataclass(frozen=True, slots=True)
class Consumer:
    """One of the processes that read together: worker `worker` of `num_workers` of rank `rank` of `world_size`.

    Where the rank iterates in its own process, it is its only worker.
    """

    world_size: int = 1
    rank: int = 0
    num_workers: int = 1
    worker: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise OptionError(
                f"need 0 <= rank < num_ranks, got rank {self.rank} of {self.world_size}"
            )
        if not 0 <= self.worker < self.num_workers:
            raise OptionError(f"need 0 <= worker < {self.num_workers}, got {self.worker}")

    @property
    def num_consumers(self) -> int:
        return self.world_size * self.num_workers


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of one rank: at step t of T it takes microbatch ``start + t * world_size + rank``."""

    num_microbatches: int
    start: int
    consumer: Consumer
    pad: bool
    drop_last: bool

    def __post_init__(self) -> None:
        world_size = self.consumer.world_size
        if not 0 <= self.start <= self.num_microbatches:
            raise OptionError(
                f"need 0 <= start <= {self.num_microbatches} microbatches, got {self.start}"
            )
        if self.num_microbatches < world_size:
            if self.num_microbatches == 0 and world_size == 1:
                return
            raise OptionError(
                f"{self.num_microbatches} microbatches are too few for {world_size} ranks: "
                "make batch_size smaller, or use fewer ranks"
            )

    @property
    def num_steps(self) -> int:
        """Steps of this rank: the same for every rank, but for ``pad=False`` without `drop_last`."""
        left, world_size = self.num_microbatches - self.start, self.consumer.world_size
        if self.drop_last:
            return left // world_size
        if self.pad:
            return -(-left // world_size)
        return max(0, -(-(left - self.consumer.rank) // world_size))

    def microbatch(self, step: int) -> tuple[int, bool]:
        """Return the microbatch of a step, and whether it repeats the rank's previous one for want of another."""
        consumer = self.consumer
        number = self.start + step * consumer.world_size + consumer.rank
        if number < self.num_microbatches:
            return number, False
        return number - consumer.world_size, True

    def steps(self, num_taken: int = 0) -> range:
        """Return the steps that this consumer serves: those of its worker, round robin, but for the first ones."""
        return range(self.consumer.worker, self.num_steps, self.consumer.num_workers)[num_taken:]

    def reading_factor(self, lanes: int) -> int:
        """Return how many times what it delivers a consumer reads: 1 where the consumers divide the lanes."""
        return self.consumer.num_consumers // gcd(self.consumer.num_consumers, lanes)
