"""Owns what a child process is asked to measure; it stands on the standard library alone.

Children run in interpreters that may lack our packages, so a job is JSON, and what a contestant needs it imports
itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

__all__ = ["Epochs", "Job", "Options"]

Options: TypeAlias = dict[str, str | int | float | bool | dict[str, str] | None]

Epochs: TypeAlias = Callable[[], Iterator[int]]
"""Starts one pass over the table; yields the number of rows of each batch, once the batch is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One contestant on one table."""

    contestant: str
    """A module of `perf.contestants`."""
    path: str
    columns: tuple[str, ...]
    id_column: str
    batch_size: int
    options: Options
    num_threads: int = 2
    """For the decoding of whichever contestant takes a number."""
    torch_threads: int = 1
    """``torch.set_num_threads``, the same for all."""
    min_s: float = 2.0
    """Passes are repeated until they took this long."""
    warm_up_s: float = 5.0
    """The warm-up is one pass, or so much of it."""
    max_s: float = 10.0
    """Where the warm-up was cut off, the pass goes on for this long, and its rate is that of the rows it came to."""
    num_opens: int = 0
    """Only open the table and take the first batch, so many times, instead of passes."""
    num_epochs: int | None = None
    """Exactly so many passes instead, none of them a warm-up, none cut off."""

    def to_json(self) -> str:
        """This job as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that `to_json` wrote."""
        fields = json.loads(text)
        fields["columns"] = tuple(fields["columns"])
        return cls(**fields)
