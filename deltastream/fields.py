"""Owns `FieldSpec`: what a user says about one field of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from deltastream.errors import OptionError

__all__ = ["FieldSpec"]


@dataclass(frozen=True)
class FieldSpec:
    """One field of the batch: the table's column (or columns) it comes from, and what is done to the values.

    The first five parameters mean what they meant in deltatorch.
    """

    name: str | Sequence[str]
    """The column; or several numeric columns, which are stacked into one tensor of shape ``[B, len(name)]``, in
    NumPy's common dtype. Several need a `target_name`. With a `transform` they may have any type: it gets a tuple."""
    decode_numpy_and_apply_shape: tuple[int, ...] | None = None
    """Read each binary value as a uint8 array of this shape: a tensor ``[B, *shape]``, without work per row."""
    load_image_using_pil: bool = False
    """Decode each binary value as a PIL image, in the decode pool."""
    transform: Callable[[Any], Any] | None = None
    """Called once per row, in the decode pool (several threads at once), with the value as Python sees it: a
    number, str, bytes, list, the array or the image of the options above, or None for a null. The results are put
    together by `torch.utils.data.default_collate`."""
    target_name: str | None = None
    """The field's key in the batch; by default the column's name."""
    _: KW_ONLY
    fill_null: int | float | bool | None = None
    """Put this value where the column is null. Without it and `null_mask`, a null is a `NullValueError`. For tensors
    only: a transform is given None for a null."""
    null_mask: bool = False
    """Give a second field, named ``<target>_mask``: bool ``[B]``, True where there is a value. Nulls become 0, or
    `fill_null`; in fields that are lists they are None."""
    ragged: bool | None = None
    """Whether the values of a list or binary column differ in length. True: the field is a list of B values: 1-D
    tensors, or for binary read-only memoryviews of the decoded memory, without a copy (``bytes(value)`` is one). False:
    a tensor ``[B, n]``; a value of another length is an error. None: True if the table's first values differ."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            object.__setattr__(self, "name", tuple(self.name))
            if not self.name or not all(isinstance(name, str) for name in self.name):
                raise OptionError(f"FieldSpec needs a column name or several, got {self.name!r}")
            if self.target_name is None:
                raise OptionError(
                    f"FieldSpec of {len(self.name)} columns needs target_name=, the stacked field's key in the batch"
                )
            if self.decode_numpy_and_apply_shape or self.load_image_using_pil:
                raise OptionError(
                    f"FieldSpec {self.target_name!r}: several columns are stacked as numbers; "
                    "decode_numpy_and_apply_shape and load_image_using_pil take one binary column"
                )
        if self.decode_numpy_and_apply_shape is not None:
            shape = tuple(self.decode_numpy_and_apply_shape)
            if not all(isinstance(size, int) and size > 0 for size in shape):
                raise OptionError(
                    f"FieldSpec {self.target!r}: decode_numpy_and_apply_shape needs sizes of at least 1, got {shape}"
                )
            if self.load_image_using_pil:
                raise OptionError(
                    f"FieldSpec {self.target!r}: give decode_numpy_and_apply_shape or load_image_using_pil, not both"
                )
            object.__setattr__(self, "decode_numpy_and_apply_shape", shape or None)
        if self.transform is not None and not callable(self.transform):
            raise OptionError(f"FieldSpec {self.target!r}: transform is not callable")

    @property
    def names(self) -> tuple[str, ...]:
        """The table's columns this field reads."""
        return (self.name,) if isinstance(self.name, str) else tuple(self.name)

    @property
    def target(self) -> str:
        """The field's key in the batch."""
        if self.target_name is not None:
            return self.target_name
        return self.names[0]

    @property
    def is_per_row(self) -> bool:
        """Whether Python runs once per row for this field."""
        return self.transform is not None or self.load_image_using_pil
