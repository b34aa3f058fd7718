"""Owns what each field of the batch is: its columns, kind, dtype and shape, decided once, before any batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deltastream.batch.allocate import TensorShape
from deltastream.errors import OptionError, SchemaError
from deltastream.fields import FieldSpec

__all__ = ["Field", "Kind", "Layout", "number_dtype", "resolve_layout"]

Kind = Literal["number", "stack", "fixed", "objects", "rows"]
"""number ``[B]``; stack: several numbers ``[B, k]``; fixed: values of one length ``[B, *shape]``; objects: a list of
B values; rows: one Python call per row, put together by default_collate."""

_DECIMAL_INT64_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the batch. `dtype` and `shape` (of one row) hold for tensors only."""

    spec: FieldSpec
    kind: Kind
    dtype: np.dtype[np.generic] | None = None
    shape: tuple[int, ...] = ()
    dtypes: tuple[np.dtype[np.generic], ...] = ()
    """Of the numbers of each column, as they are decoded."""
    is_second: bool = False
    """Whether an earlier field reads one of its columns too."""
    target: str = dataclasses.field(init=False)
    columns: tuple[str, ...] = dataclasses.field(init=False)
    """The table's columns it reads."""

    def __post_init__(self) -> None:
        # Not properties: these are asked for in every row group.
        object.__setattr__(self, "target", self.spec.target)
        object.__setattr__(self, "columns", self.spec.names)
        fill = self.spec.fill_null
        if self.kind == "rows" and (fill is not None or self.spec.null_mask):
            raise OptionError(
                f"field {self.target!r}: fill_null and null_mask are for tensors; Python that runs per row "
                "(a transform, an image, a collate_fn) is given None for a null"
            )
        if self.kind == "objects" and fill is not None:
            raise OptionError(
                f"field {self.target!r}: fill_null is for tensors, and this field is a list of values: null_mask=True "
                "keeps its nulls as None and marks them"
            )
        if fill is not None and self.dtype is not None and not _holds(self.dtype, fill):
            raise OptionError(
                f"field {self.target!r}: fill_null={fill!r} is no value of {self.dtype}, the field's dtype"
            )

    @property
    def mask(self) -> str:
        """The name of the field's mask, if it has one."""
        return f"{self.target}_mask"

    @property
    def names(self) -> list[str]:
        """The field's keys in the batch: its own and, if it has one, its mask's."""
        return [self.target, self.mask] if self.spec.null_mask else [self.target]

    @property
    def tensors(self) -> list[TensorShape]:
        """Name, dtype and shape of one row of the field's tensors: its values and its mask."""
        found: list[TensorShape] = []
        if self.dtype is not None:
            found.append((self.target, self.dtype, self.shape))
        if self.spec.null_mask:
            shape = self.shape if self.kind == "stack" else ()
            found.append((self.mask, np.dtype(np.bool_), shape))
        return found

    @property
    def row_nbytes(self) -> int | None:
        """Bytes of one row, or None where it varies."""
        if self.dtype is None:
            return None
        return sum(dtype.itemsize * prod(shape) for _, dtype, shape in self.tensors)


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of the batch, in order. `row_dicts`: batches are lists of one dict per row instead."""

    fields: tuple[Field, ...]
    row_dicts: bool = False

    @property
    def columns(self) -> list[str]:
        """The table's columns that the fields read, each once."""
        return list(dict.fromkeys(name for field in self.fields for name in field.spec.names))

    @property
    def has_objects(self) -> bool:
        """Whether some field's values are Python objects."""
        return any(field.dtype is None for field in self.fields)

    @property
    def object_columns(self) -> frozenset[str]:
        """The columns that become Python objects and nothing else."""
        objects = {n for field in self.fields if field.dtype is None for n in field.spec.names}
        tensors = {n for field in self.fields if field.dtype is not None for n in field.spec.names}
        return frozenset(objects - tensors)

    @property
    def row_nbytes(self) -> int | None:
        """Bytes of one row of the batch, or None where it varies."""
        widths = [field.row_nbytes for field in self.fields]
        if None in widths:
            return None
        return sum(width for width in widths if width is not None)


def resolve_layout(
    schema: pa.Schema,
    specs: Sequence[FieldSpec] | None,
    *,
    row_dicts: bool,
    first_rows: Callable[[list[str]], Mapping[str, pa.Array]],
) -> Layout:
    """Decide the layout of the batch from the table's schema and the user's fields (None: every column).

    `first_rows` gives the table's first few values of some columns; it is called once at most, for list and binary
    columns that say nothing of their length.

    Raises:
        SchemaError: A column isn't there, or is of another type than its field asks for.
        OptionError: Two fields have one name.
    """
    if specs is None:
        specs = [FieldSpec(name) for name in schema.names]
    if not specs:
        raise OptionError("fields is empty: name at least one column, or leave it out for all")
    _check_targets(specs)
    for spec in specs:
        for name in spec.names:
            if name not in schema.names:
                raise SchemaError(
                    f"column {name!r} is not in the table; it has {', '.join(map(repr, schema.names))}"
                )
    if row_dicts:
        return Layout(tuple(Field(spec, "rows") for spec in specs), row_dicts=True)
    unknown = [spec.names[0] for spec in specs if _needs_first_rows(schema, spec)]
    samples = first_rows(unknown) if unknown else {}
    fields: list[Field] = []
    seen: set[str] = set()
    for spec in specs:
        is_second = not seen.isdisjoint(spec.names)
        fields.append(replace(_resolve(schema, spec, samples), is_second=is_second))
        seen.update(spec.names)
    return Layout(tuple(fields))


def _check_targets(specs: Sequence[FieldSpec]) -> None:
    targets = [spec.target for spec in specs]
    targets += [f"{spec.target}_mask" for spec in specs if spec.null_mask]
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        raise OptionError(
            f"two fields are named {twice[0]!r}: give one of them another target_name"
        )


def _needs_first_rows(schema: pa.Schema, spec: FieldSpec) -> bool:
    if spec.is_per_row or len(spec.names) > 1 or spec.decode_numpy_and_apply_shape:
        return False
    type_ = schema.field(spec.names[0]).type
    return spec.ragged is not True and (pa.types.is_binary(type_) or _is_number_list(type_))


def _resolve(schema: pa.Schema, spec: FieldSpec, samples: Mapping[str, pa.Array]) -> Field:
    type_ = schema.field(spec.names[0]).type
    decodes = spec.decode_numpy_and_apply_shape is not None or spec.load_image_using_pil
    if decodes and not pa.types.is_binary(type_):
        raise SchemaError(f"column {spec.names[0]!r} is {type_}; decoding needs a binary column")
    if spec.is_per_row:
        return Field(spec, "rows")
    if len(spec.names) > 1:
        dtypes = []
        for name in spec.names:
            dtype = number_dtype(schema.field(name).type)
            # `is`, for NumPy takes None for float64: `None in dtypes` finds it there.
            if dtype is None:
                raise SchemaError(
                    f"field {spec.target!r} stacks numeric columns, but {name!r} is {schema.field(name).type}"
                )
            dtypes.append(dtype)
        return Field(spec, "stack", np.result_type(*dtypes), (len(dtypes),), tuple(dtypes))
    if spec.decode_numpy_and_apply_shape is not None:
        return Field(spec, "fixed", np.dtype(np.uint8), spec.decode_numpy_and_apply_shape)
    dtype = number_dtype(type_)
    if dtype is not None:
        return Field(spec, "number", dtype, (), (dtype,))
    if spec.names[0] in samples:
        length = _common_length(samples[spec.names[0]])
        if length is None and spec.ragged is False:
            raise SchemaError(
                f"column {spec.names[0]!r} has values of several lengths, or none at all: ragged=False cannot hold"
            )
        if length is not None:
            value = np.dtype(
                np.uint8 if pa.types.is_binary(type_) else number_dtype(type_.value_type)
            )
            return Field(spec, "fixed", value, (length,), (value,))
    return Field(spec, "objects")


def _common_length(values: pa.Array) -> int | None:
    values = values.drop_null()
    if len(values) == 0:
        return None
    lengths = np.unique(
        np.diff(values.offsets.to_numpy() if hasattr(values, "offsets") else _offsets(values))
    )
    return int(lengths[0]) if len(lengths) == 1 and lengths[0] > 0 else None


def _offsets(values: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(values.buffers()[1], np.int32)[
        values.offset : values.offset + len(values) + 1
    ]


def _is_number_list(type_: pa.DataType) -> bool:
    return pa.types.is_list(type_) and number_dtype(type_.value_type) is not None


def number_dtype(type_: pa.DataType) -> np.dtype[np.generic] | None:
    """Return the dtype of a column whose values are single numbers in a tensor, else None.

    Dates are int32 days, timestamps int64 microseconds, both since 1970-01-01 (UTC, or local for timestamp_ntz);
    decimals of up to 18 digits are int64, scaled by ``10 ** scale``.
    """
    if pa.types.is_boolean(type_):
        return np.dtype(np.bool_)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        dtype: np.dtype[np.generic] = np.dtype(type_.to_pandas_dtype())
        return dtype
    if pa.types.is_date32(type_):
        return np.dtype(np.int32)
    if pa.types.is_timestamp(type_):
        return np.dtype(np.int64)
    if pa.types.is_decimal(type_) and type_.precision <= _DECIMAL_INT64_DIGITS:
        return np.dtype(np.int64)
    return None


def _holds(dtype: np.dtype[np.generic], value: int | float | bool) -> bool:
    if dtype.kind == "f":
        return True
    low, high = (
        (0, 1) if dtype.kind == "b" else (np.iinfo(dtype.name).min, np.iinfo(dtype.name).max)
    )
    return low <= value <= high and float(value).is_integer()
