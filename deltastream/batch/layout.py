"""Owns the layout of a batch: what each of its fields is, decided once, before any batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from deltastream.batch.allocate import TensorShape
from deltastream.batch.dtypes import holds, stored_number
from deltastream.errors import OptionError
from deltastream.fields import FieldSpec, RaggedForm
from deltastream.predicate import Path

__all__ = ["Field", "Kind", "Layout"]

Kind = Literal["number", "stack", "fixed", "ragged", "validity", "objects", "rows"]
"""number ``[B]``; stack: several numbers ``[B, k]``; fixed: values of one length ``[B, *shape]``; ragged: values of
several lengths, n of ``[n, *shape]`` in all; validity: the mask of a struct ``[B]``; objects: a list of B values; rows:
one Python call per row, put together by default_collate."""

_LEVEL = "\0"
"""Between the keys of a field that lies in a dict in the batch. No column name has it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the batch, a leaf of it where structs are dicts.

    `dtype` and `shape` (of one row, or of one of a ragged row's values) hold for tensors only.
    """

    spec: FieldSpec
    kind: Kind
    paths: tuple[Path, ...]
    """Of the columns it reads."""
    keys: tuple[str, ...]
    """Where it is in the batch: its key, below those of the dicts around it."""
    dtype: np.dtype[np.generic] | None = None
    """In memory; the bits of a bfloat16 are a uint16 there."""
    shape: tuple[int, ...] = ()
    dtypes: tuple[np.dtype[np.generic], ...] = ()
    """Of the numbers of each column, as they are decoded."""
    are_stored: tuple[bool, ...] = ()
    """Of each column, whether its values without nulls are such numbers as they lie in memory."""
    form: RaggedForm = "list"
    """Of a ragged field."""
    is_second: bool = False
    """Whether an earlier field reads one of its columns too."""
    target: str = dataclasses.field(init=False)
    """Its name in a chunk: that of no other field."""
    columns: tuple[str, ...] = dataclasses.field(init=False)
    """The table's columns it reads."""

    def __post_init__(self) -> None:
        # Not properties: these are asked for in every row group.
        object.__setattr__(self, "target", _LEVEL.join(self.keys))
        object.__setattr__(self, "columns", tuple(path[0] for path in self.paths))
        fill = self.spec.fill_null
        if self.kind == "rows" and (fill is not None or self.spec.null_mask):
            raise OptionError(
                f"field {self.label!r}: fill_null and null_mask are for tensors; Python that runs per row "
                "(a transform, an image, a collate_fn) is given None for a null"
            )
        is_formed = self.spec.ragged in ("offsets", "padded", "nested")
        if self.kind == "rows" and (self.spec.dtype or self.spec.decimal or is_formed):
            raise OptionError(
                f"field {self.label!r}: dtype, decimal and the forms of ragged are for tensors; Python that runs per "
                "row (a collate_fn) is given Python values"
            )
        if self.kind == "objects" and fill is not None:
            raise OptionError(
                f"field {self.label!r}: fill_null is for tensors, and this field is a list of values: null_mask=True "
                "keeps its nulls as None and marks them"
            )
        if self.kind == "objects" and self.spec.dtype is not None:
            raise OptionError(
                f"field {self.label!r}: dtype is for tensors, and this field is a list of values"
            )
        for option in ("fill_null", "pad_value"):
            value = getattr(self.spec, option)
            if value is None or self.dtype is None or self.kind == "validity":
                continue
            if not holds(self.dtype, value, is_bfloat16=self.is_bfloat16):
                raise OptionError(
                    f"field {self.label!r}: {option}={value!r} is no value of {self.spec.dtype or self.dtype}, the "
                    "field's dtype"
                )

    @property
    def label(self) -> str:
        """Its name in messages."""
        return ".".join(self.keys)

    def column_name(self, index: int) -> str:
        """Return the dotted name of a column it reads."""
        return ".".join(self.paths[index])

    @property
    def mask(self) -> str:
        """The name of the field's mask, if it has one."""
        return f"{self.target}_mask"

    @property
    def has_mask(self) -> bool:
        return self.spec.null_mask and self.kind != "validity"

    @property
    def names(self) -> list[str]:
        """The field's names in a chunk: its own and, if it has one, its mask's."""
        return [self.target, self.mask] if self.has_mask else [self.target]

    @property
    def is_bfloat16(self) -> bool:
        return self.spec.dtype == "bfloat16" and self.kind != "validity"

    @property
    def fill(self) -> int | float | bool:
        """What is put in memory for a null."""
        return self._stored(self.spec.fill_null)

    @property
    def padding(self) -> int | float | bool:
        """What is put in memory after a padded row's values."""
        return self._stored(self.spec.pad_value)

    def _stored(self, value: int | float | bool | None) -> int | float | bool:
        assert self.dtype is not None
        return stored_number(value or 0, self.dtype, is_bfloat16=self.is_bfloat16)

    @property
    def tensors(self) -> list[TensorShape]:
        """Name, dtype and shape of one row of the field's tensors of fixed width: its values and its mask."""
        found: list[TensorShape] = []
        if self.dtype is not None and self.kind != "ragged":
            found.append((self.target, self.dtype, self.shape))
        if self.has_mask:
            shape = self.shape if self.kind == "stack" else ()
            found.append((self.mask, np.dtype(np.bool_), shape))
        return found

    @property
    def row_nbytes(self) -> int | None:
        """Bytes of one row, or None where it varies."""
        if self.dtype is None or self.kind == "ragged":
            return None
        return sum(dtype.itemsize * prod(shape) for _, dtype, shape in self.tensors)


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of the batch, in order. `row_dicts`: batches are lists of one dict per row instead."""

    fields: tuple[Field, ...]
    row_dicts: bool = False
    specs: tuple[FieldSpec, ...] = ()
    """What the user, or the table's schema, asked for."""

    @property
    def columns(self) -> list[str]:
        """The table's columns that the fields read, each once."""
        return list(dict.fromkeys(name for field in self.fields for name in field.columns))

    @property
    def paths(self) -> list[Path]:
        """Of all that the fields read, each once."""
        return list(dict.fromkeys(path for field in self.fields for path in field.paths))

    @property
    def has_objects(self) -> bool:
        """Whether some field's values are Python objects."""
        return any(field.dtype is None for field in self.fields)

    @property
    def has_ragged(self) -> bool:
        """Whether some field's values are gathered once their window is complete."""
        return any(field.kind == "ragged" for field in self.fields)

    @property
    def object_columns(self) -> frozenset[str]:
        """The columns that become Python objects, whole, and nothing else."""
        objects: set[str] = set()
        others: set[str] = set()
        for field in self.fields:
            for path in field.paths:
                is_object = field.dtype is None and len(path) == 1
                (objects if is_object else others).add(path[0])
        return frozenset(objects - others)

    @property
    def row_nbytes(self) -> int | None:
        """Bytes of one row of the batch, or None where it varies."""
        widths = [field.row_nbytes for field in self.fields]
        if None in widths:
            return None
        return sum(width for width in widths if width is not None)

    @property
    def is_nested(self) -> bool:
        """Whether a batch has dicts in it."""
        return any(len(field.keys) > 1 for field in self.fields)

    @staticmethod
    def nest(values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by their names as the batch they make."""
        batch: dict[str, Any] = {}
        for name, value in values.items():
            *outer, key = name.split(_LEVEL)
            inside = batch
            for level in outer:
                inside = inside.setdefault(level, {})
            inside[key] = value
        return batch
