"""Owns the state of a loader as a value: a position, what the sequence depends on, and both as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, Self

from deltastream.errors import OptionError

__all__ = ["FORMAT", "LoaderState", "abbreviate"]

FORMAT = 1
"""Of the state, and of the order that it is a position in: a change of either needs another one."""

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class LoaderState:
    """Where a loader is in the sequence of all epochs, and what it takes to be there again."""

    table_uri: str
    """Where the table was; it may be somewhere else now."""
    table_id: str
    version: int
    num_rows: int
    """Live rows, after the filter."""
    columns: str
    filter: str | None
    partition_filter: str | None
    shuffle: bool
    seed: int | None
    """None, as the next two are, without shuffle."""
    shuffle_rows: int | None
    shuffle_nbytes: int | None
    batch_size: int
    lanes: int
    drop_last: bool
    pad: bool | None
    """None: where there are several ranks."""
    epoch: int
    next_microbatch: int
    """In a worker's state that at which the iteration began."""
    num_workers: int | None = None
    """None: the state of a loader, or of a dataset that is iterated itself; else that of one worker's dataset."""
    worker: int | None = None
    num_batches: int | None = None
    """What the worker has given since."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.num_workers is None:
            for name in _OF_WORKER:
                del values[name]
        return {"format": FORMAT, **values}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            OptionError: It is something else, or of another format.
        """
        if not isinstance(state, Mapping) or "format" not in state:
            raise OptionError(
                f"this is no state of a deltastream loader: {abbreviate(repr(state))}"
            )
        if state["format"] != FORMAT:
            raise OptionError(
                f"the state has format {state['format']!r}, this version of deltastream reads {FORMAT}: load it with "
                "the version that saved it"
            )
        names = [field.name for field in fields(cls)]
        expected = [n for n in names if n not in _OF_WORKER or _OF_WORKER[0] in state]
        if missing := [name for name in expected if name not in state]:
            raise OptionError(f"the state has no {', '.join(missing)}: it is damaged")
        values = {name: state[name] for name in expected}
        for name, value in values.items():
            kinds, least = _KINDS.get(name, ((int,), 0))
            if type(value) not in kinds or (type(value) is int and value < least):
                raise OptionError(f"the state's {name} cannot be {value!r}: it is damaged")
        return cls(**values)

    def differences(self, other: LoaderState) -> list[str]:
        """Say what the sequence of `other`, a loader at hand, does not have in common with this state's."""
        return [
            f"{name}: the state has {getattr(self, name)!r}, this loader {getattr(other, name)!r}"
            for name in _IDENTITY
            if getattr(self, name) != getattr(other, name)
        ]


_OF_WORKER = ("num_workers", "worker", "num_batches")
_IDENTITY = (
    "table_id",
    "version",
    "columns",
    "filter",
    "partition_filter",
    "shuffle",
    "seed",
    "shuffle_rows",
    "shuffle_nbytes",
    "drop_last",
    "num_rows",
)
_TEXT: tuple[tuple[type, ...], int] = ((str,), 0)
_KINDS: Mapping[str, tuple[tuple[type, ...], int]] = {
    "table_uri": _TEXT,
    "table_id": _TEXT,
    "columns": _TEXT,
    "filter": ((str, type(None)), 0),
    "partition_filter": ((str, type(None)), 0),
    "shuffle": ((bool,), 0),
    "seed": ((int, type(None)), 0),
    "shuffle_rows": ((int, type(None)), 1),
    "shuffle_nbytes": ((int, type(None)), 1),
    "batch_size": ((int,), 1),
    "lanes": ((int,), 1),
    "drop_last": ((bool,), 0),
    "pad": ((bool, type(None)), 0),
    "num_workers": ((int,), 1),
}
"""What a value may be, and the least that a number may; the others are integers from 0 on."""


def abbreviate(text: str) -> str:
    """Return a text, or its beginning and a hash of it: equal for equal texts only."""
    if len(text) <= _SHOWN + 20:
        return text
    return f"{text[:_SHOWN]}... #{blake2b(text.encode(), digest_size=8).hexdigest()}"
