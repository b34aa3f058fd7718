"""Owns `FieldSpec`: what a user says about one field of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from deltastream.errors import OptionError
from deltastream.options import flag

if TYPE_CHECKING:
    import torch

__all__ = ["FieldSpec", "RaggedForm"]

RaggedForm = Literal["list", "offsets", "padded", "nested"]

_DTYPES = {"bool", "uint8", "int8", "int16", "int32", "int64"}
_DTYPES |= {"float16", "bfloat16", "float32", "float64"}


@dataclass(frozen=True)
class FieldSpec:
    """One field of the batch: the table's column (or columns) it comes from, and what is done to the values.

    The first five parameters mean what they meant in deltatorch.
    """

    name: str | Sequence[str]
    """The column, or a field of a struct column: ``"s.a"`` (a column of that very name comes first). A struct is a dict
    of its fields. Or several numeric ones, which are stacked into one tensor of shape ``[B, len(name)]``, in NumPy's
    common dtype. Several need a `target_name`. With a `transform` they may have any type: it gets a tuple."""
    decode_numpy_and_apply_shape: Sequence[int] | int | None = None
    """Read each binary value as a uint8 array of this shape: a tensor ``[B, *shape]``, without work per row. One size
    may be -1: it follows from the length that the table's first values have in common, in a transform of each value."""
    load_image_using_pil: bool = False
    """Decode each binary value as a PIL image, in the decode threads."""
    transform: Callable[[Any], Any] | None = None
    """Called once per row, in the decode threads (several at once), with the value as Python sees it: a
    number, str, bytes, list, the array or the image of the options above, or None for a null. The results are put
    together by `torch.utils.data.default_collate`."""
    target_name: str | None = None
    """The field's key in the batch; by default `name`."""
    _: KW_ONLY
    fill_null: int | float | bool | None = None
    """Put this value, one of the tensor's dtype, where the column is null, and where a list's elements are; a null list
    of no fixed length is one without elements. Without it and `null_mask`, a null is a `NullValueError`. For tensors
    only: a transform is given None for a null."""
    null_mask: bool = False
    """Give a second field, named ``<target>_mask``: bool ``[B]``, True where there is a value; ``[B, len(name)]`` for
    several columns, and one for each field of a struct. Nulls become 0, or `fill_null`; in fields that are lists they
    are None, and rows without values in the other forms of `ragged`."""
    ragged: bool | RaggedForm | None = None
    """What becomes of lists, or binary values, that differ in length.

    - True or ``"list"``: a list of B tensors; of binary, a list of read-only memoryviews of the decoded memory, without
      a copy (``bytes(value)`` is one). Arrays whose elements are of several lengths are lists of lists.
    - ``"offsets"``: a dict of ``values``, end to end, and ``offsets``, int64 ``[B + 1]``.
    - ``"padded"``: a dict of ``values`` ``[B, longest]`` and ``lengths``, int64 ``[B]``.
    - ``"nested"``: a nested tensor of layout ``torch.jagged``.
    - False: a tensor ``[B, n]``; a value of another length is a `SchemaError`.
    - None: a tensor if the table's first values have one length (a later value of another is a `SchemaError`), else
      as "list".

    Text may be read as its UTF-8 bytes, in the forms "offsets", "padded" and "nested"."""
    pad_value: int | float | bool | None = None
    """What ``ragged="padded"`` pads with; None: 0."""
    dtype: torch.dtype | str | None = None
    """The tensor's dtype, as torch's or by its name; None: the column's. Floats are rounded to the nearest value, and
    become infinite beyond the dtype's range; an integer that the dtype cannot hold is a `SchemaError`; floats as
    integers are an `OptionError`."""
    decimal: Literal["float"] | None = None
    """What becomes of decimals. "float": the nearest float64 (a floating `dtype` does this too). None: exact; up to 18
    digits are an int64, the value times ``10 ** scale``, more are `decimal.Decimal` objects."""

    def __post_init__(self) -> None:
        if self.target_name is not None and not isinstance(self.target_name, str):
            raise OptionError(f"FieldSpec: target_name must be a string, got {self.target_name!r}")
        if not isinstance(self.name, str):
            if not isinstance(self.name, Iterable):
                raise OptionError(f"FieldSpec needs a column name or several, got {self.name!r}")
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
            given: Any = self.decode_numpy_and_apply_shape
            sizes = tuple(given) if isinstance(given, Iterable) else (given,)
            if not all(
                isinstance(size, Integral) and int(size) >= -1 and size for size in sizes
            ) or (sizes.count(-1) > 1):
                raise OptionError(
                    f"FieldSpec {self.target!r}: decode_numpy_and_apply_shape needs sizes of at least 1, of which one "
                    f"may be -1, got {given!r}"
                )
            shape = tuple(map(int, sizes))
            if self.load_image_using_pil:
                raise OptionError(
                    f"FieldSpec {self.target!r}: give decode_numpy_and_apply_shape or load_image_using_pil, not both"
                )
            object.__setattr__(self, "decode_numpy_and_apply_shape", shape or None)
        for name in ("load_image_using_pil", "null_mask"):
            yes_or_no = flag(f"FieldSpec {self.target!r}: {name}", getattr(self, name))
            object.__setattr__(self, name, yes_or_no)
        if self.transform is not None and not callable(self.transform):
            raise OptionError(f"FieldSpec {self.target!r}: transform is not callable")
        self._check_tensor_options()

    def _check_tensor_options(self) -> None:
        forms = get_args(RaggedForm)
        if (
            self.ragged is not None
            and not isinstance(self.ragged, bool)
            and self.ragged not in forms
        ):
            raise OptionError(
                f"FieldSpec {self.target!r}: ragged must be True, False, None or one of {', '.join(map(repr, forms))}, "
                f"got {self.ragged!r}"
            )
        for option in ("fill_null", "pad_value"):
            value = getattr(self, option)
            if value is not None and not isinstance(value, (Real, np.bool_)):
                raise OptionError(
                    f"FieldSpec {self.target!r}: {option} must be a number, got {value!r}"
                )
        if self.pad_value is not None and self.ragged != "padded":
            raise OptionError(f'FieldSpec {self.target!r}: pad_value is for ragged="padded"')
        if self.decimal not in (None, "float"):
            raise OptionError(
                f'FieldSpec {self.target!r}: decimal must be "float" or None, got {self.decimal!r}'
            )
        if self.dtype is not None:
            # The name alone: what plans needs no torch.
            name = str(self.dtype).removeprefix("torch.")
            if name not in _DTYPES:
                raise OptionError(
                    f"FieldSpec {self.target!r}: dtype must be one of {', '.join(sorted(_DTYPES))}, got {self.dtype!r}"
                )
            object.__setattr__(self, "dtype", name)
        if self.is_per_row:
            for option in ("dtype", "decimal"):
                if getattr(self, option) is not None:
                    raise OptionError(
                        f"FieldSpec {self.target!r}: {option} is for tensors made of the column itself; a transform or "
                        "an image decoder decides its own"
                    )
            if self.ragged in ("offsets", "padded", "nested"):
                raise OptionError(
                    f"FieldSpec {self.target!r}: ragged={self.ragged!r} is for tensors made of the column itself; "
                    "a transform is given Python values"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The table's columns, or fields of its structs, that this field reads."""
        return (self.name,) if isinstance(self.name, str) else tuple(self.name)

    @property
    def decoded_shape(self) -> tuple[int, ...] | None:
        """`decode_numpy_and_apply_shape` as a tuple; None where values are not decoded so."""
        return self.decode_numpy_and_apply_shape  # type: ignore[return-value]

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
