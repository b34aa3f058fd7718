"""Owns who takes part for a shape: names, modules and options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perf.job import Options
from perf.shapes import Shape

__all__ = ["Contestant", "roster"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to read a table."""

    name: str
    module: str
    options: Options


def roster(shape: Shape, deltastream_options: Options) -> Iterator[Contestant]:
    """Everybody who reads `shape` in batches; the limit is apart, having none."""
    ours = deltastream_options
    stacked: Options = {"stacked": True} if shape.name == "tab" else {}
    mixed: Options = {"shuffle": True}
    buffered: Options = {"buffer_rows": 2 * shape.rows_per_group}
    yield Contestant("deltastream", "deltastream", stacked | ours)
    yield Contestant("deltastream, shuffled", "deltastream", stacked | mixed | ours)
    one_lane: Options = {"lanes": 1}
    yield Contestant(
        "deltastream, shuffled, one lane", "deltastream", stacked | mixed | one_lane | ours
    )
    if stacked:
        yield Contestant("deltastream, columns apart", "deltastream", ours)
        yield Contestant("deltastream, columns apart, shuffled", "deltastream", mixed | ours)
    yield Contestant("pyarrow loop", "arrow_loop", stacked)
    yield Contestant("pyarrow loop, shuffled in a buffer", "arrow_loop", stacked | buffered)
    if stacked:
        yield Contestant("pyarrow loop, columns apart", "arrow_loop", {})
    yield Contestant("deltatorch", "deltatorch", {})
