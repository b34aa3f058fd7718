"""Owns the four shapes of table that are measured, and which of their columns a pass reads."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FEATURES", "SHAPES", "Shape", "shape_named"]

FEATURES = tuple(f"f{index}" for index in range(32))
"""The feature columns of ``tab``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of table at scale 1: files, row groups, the columns that a pass reads."""

    name: str
    about: str
    num_files: int
    row_groups_per_file: int
    rows_per_group: int
    columns: tuple[str, ...]
    """What every contestant reads; `id_column` is written too, and read only by those that need it."""
    compression: str = "SNAPPY"
    id_column: str = "id"
    batch_size: int = 64
    """The batch size that is measured where none is asked for."""

    def rows_in_file(self, scale: float) -> int:
        """Rows per file at `scale`: whole row groups, of which a small scale leaves one, cut short."""
        groups = round(self.row_groups_per_file * scale)
        if groups >= 1:
            return groups * self.rows_per_group
        return max(1, round(self.row_groups_per_file * self.rows_per_group * scale))


SHAPES = (
    Shape(
        "mnist",
        "784-byte images and a label, 50 small files",
        num_files=50,
        row_groups_per_file=1,
        rows_per_group=1_200,
        columns=("features", "label"),
        batch_size=32,
    ),
    Shape(
        "tab",
        "32 float32 features and a label, row groups of 100,000",
        num_files=8,
        row_groups_per_file=8,
        rows_per_group=100_000,
        columns=(*FEATURES, "label"),
        batch_size=1_024,
    ),
    Shape(
        "tok",
        "lists of 2,048 int32 tokens",
        num_files=8,
        row_groups_per_file=5,
        rows_per_group=1_000,
        columns=("tokens",),
    ),
    Shape(
        "img",
        "incompressible images of about 110 KB and a label, row groups of 100",
        num_files=8,
        row_groups_per_file=11,
        rows_per_group=100,
        columns=("image", "label"),
        compression="UNCOMPRESSED",
    ),
)


def shape_named(name: str) -> Shape:
    """The shape of that name.

    Raises:
        KeyError: There is none.
    """
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise KeyError(f"no shape {name!r}: there are {', '.join(shape.name for shape in SHAPES)}")
