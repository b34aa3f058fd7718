"""Owns the way from what the fields name to the layout: what becomes of each type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from deltastream.batch.dtypes import is_stored_as_numbers, number_dtype, output_dtype
from deltastream.batch.layout import Field, Layout
from deltastream.batch.lengths import common_lengths, number_lists, shape_of
from deltastream.batch.sources import Source, expand, is_struct, name_source
from deltastream.errors import OptionError, SchemaError
from deltastream.fields import FieldSpec, RaggedForm
from deltastream.predicate import Path, take_path

__all__ = ["resolve_layout"]


def resolve_layout(
    schema: pa.Schema,
    specs: Sequence[FieldSpec] | None,
    *,
    row_dicts: bool,
    first_rows: Callable[[list[str]], Mapping[str, pa.Array]],
) -> Layout:
    """Decide the layout of the batch from the table's schema and the user's fields (None: every column).

    `first_rows` gives the table's first few values of some columns; it is called once at most, for columns with lists
    or binary values whose length nothing tells.

    Raises:
        SchemaError: A column isn't there, or is of another type than its field asks for.
        OptionError: Two fields have one name, or an option has no meaning for its column.
    """
    if specs is None:
        specs = [FieldSpec(name) for name in schema.names]
    if not specs:
        raise OptionError("fields is empty: name at least one column, or leave it out for all")
    sources = [name_source(schema, spec) for spec in specs]
    if row_dicts:
        fields = [_field(source, "rows") for source in sources]
    else:
        leaves = [leaf for source in sources for leaf in expand(source)]
        unknown = [leaf for leaf in leaves if _needs_first_rows(leaf)]
        columns = list(dict.fromkeys(leaf.columns[0][0][0] for leaf in unknown))
        samples = first_rows(columns) if columns else {}
        fields = [_resolve(leaf, _sample(leaf, samples)) for leaf in leaves]
    _check_names(fields)
    return Layout(tuple(_mark_second(fields)), row_dicts, tuple(specs))


def _field(source: Source, kind: str, **options: object) -> Field:
    paths = tuple(path for path, _ in source.columns)
    are_stored = tuple(is_stored_as_numbers(type_) for _, type_ in source.columns)
    return Field(source.spec, kind, paths, source.keys, are_stored=are_stored, **options)  # type: ignore[arg-type]


def _check_names(fields: Sequence[Field]) -> None:
    names = [name for field in fields for name in field.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        name = twice[0].replace("\0", ".")
        raise OptionError(f"two fields are named {name!r}: give one of them another target_name")
    dicts = {field.keys[0] for field in fields if len(field.keys) > 1}
    for name in names:
        if name in dicts:
            raise OptionError(
                f"two fields are named {name!r}: give one of them another target_name"
            )


def _mark_second(fields: Sequence[Field]) -> Iterator[Field]:
    seen: set[Path] = set()
    for field in fields:
        yield replace(field, is_second=not seen.isdisjoint(field.paths))
        seen.update(field.paths)


def _needs_first_rows(source: Source) -> bool:
    spec, type_ = source.spec, source.type
    if spec.is_per_row or source.is_stack:
        return False
    if spec.decoded_shape is not None:
        return -1 in spec.decoded_shape
    if pa.types.is_binary(type_):
        return spec.ragged in (None, False)
    depth = number_lists(type_, spec)
    return depth > 1 or (depth == 1 and spec.ragged in (None, False))


def _sample(source: Source, samples: Mapping[str, pa.Array]) -> pa.Array | None:
    path = source.columns[0][0]
    return take_path(samples[path[0]], path) if path[0] in samples else None


def _resolve(source: Source, sample: pa.Array | None) -> Field:
    spec, type_ = source.spec, source.type
    decodes = spec.decoded_shape is not None or spec.load_image_using_pil
    if decodes and not pa.types.is_binary(type_):
        raise SchemaError(f"column {source.name!r} is {type_}; decoding needs a binary column")
    if spec.is_per_row:
        return _field(source, "rows")
    if spec.decimal and not source.is_inside and not any(map(_has_decimals, source.columns)):
        raise OptionError(
            f"field {spec.target!r}: decimal= is for decimals, and {source.name!r} is {type_}"
        )
    if source.is_stack:
        return _stack(source)
    if is_struct(type_):
        # Expanded: what is left of it is its mask.
        return _field(source, "validity", dtype=np.dtype(np.bool_))
    if spec.decoded_shape is not None:
        return _bytes(source, "fixed", shape=_decoded_shape(source, spec.decoded_shape, sample))
    if pa.types.is_null(type_) and spec.dtype is not None:
        dtype = output_dtype(str(spec.dtype), np.dtype(np.bool_))
        assert dtype is not None
        return _field(source, "number", dtype=dtype, dtypes=(dtype,))
    dtype = _number_dtype(source, type_)
    is_sequence = (
        pa.types.is_binary(type_) or pa.types.is_string(type_) or number_lists(type_, spec)
    )
    if _is_formed(spec) and not source.is_inside and not is_sequence:
        raise SchemaError(
            f"column {source.name!r} is {type_}; ragged={spec.ragged!r} needs an array of numbers, string or binary"
        )
    if dtype is not None:
        return _field(source, "number", dtype=_output(source, dtype), dtypes=(dtype,))
    if pa.types.is_binary(type_) or pa.types.is_string(type_):
        return _resolve_bytes(source, sample)
    if number_lists(type_, spec):
        return _resolve_lists(source, sample)
    return _objects(source)


def _decoded_shape(
    source: Source, shape: tuple[int, ...], sample: pa.Array | None
) -> tuple[int, ...]:
    if -1 not in shape:
        return shape
    (length,) = (None,) if sample is None else common_lengths(sample, 1)
    found = None if length is None else shape_of(shape, length)
    if found is None:
        values = "several lengths, or none at all" if length is None else f"{length} bytes"
        raise SchemaError(
            f"column {source.name!r} has values of {values}, from which the -1 in the shape {shape} does not follow"
        )
    return found


def _resolve_bytes(source: Source, sample: pa.Array | None) -> Field:
    ragged = source.spec.ragged
    if ragged in ("offsets", "padded", "nested"):
        return _bytes(source, "ragged", form=ragged)
    if sample is not None and pa.types.is_binary(source.type):
        (length,) = common_lengths(sample, 1)
        if length is not None:
            return _bytes(source, "fixed", shape=(length,))
        if ragged is False and not source.is_inside:
            raise _no_length(source)
    return _objects(source)


def _bytes(source: Source, kind: str, **options: object) -> Field:
    dtype = np.dtype(np.uint8)
    return _field(source, kind, dtype=_output(source, dtype), dtypes=(dtype,), **options)


def _resolve_lists(source: Source, sample: pa.Array | None) -> Field:
    spec = source.spec
    depth = number_lists(source.type, spec)
    lengths = (None,) * depth if sample is None else common_lengths(sample, depth)
    value_type = source.type
    for _ in range(depth):
        value_type = value_type.value_type
    dtype = _number_dtype(source, value_type)
    assert dtype is not None
    inner = tuple(length for length in lengths[1:] if length is not None)
    numbers = {"dtype": _output(source, dtype), "dtypes": (dtype,)}
    if len(inner) == depth - 1:
        if lengths[0] is not None and spec.ragged in (None, False):
            return _field(source, "fixed", shape=(lengths[0], *inner), **numbers)
        if spec.ragged is not False or source.is_inside or sample is None:
            form: RaggedForm = (
                "list" if isinstance(spec.ragged, bool) or spec.ragged is None else spec.ragged
            )
            return _field(source, "ragged", shape=inner, form=form, **numbers)
    elif _is_formed(spec) and not source.is_inside:
        raise SchemaError(
            f"column {source.name!r} has arrays of several lengths, or none at all, in its elements; "
            f'ragged={spec.ragged!r} takes values that differ in their first dimension only: ragged="list" gives lists'
        )
    if spec.ragged is False and not source.is_inside and sample is not None:
        raise _no_length(source)
    return _objects(source)


def _no_length(source: Source) -> SchemaError:
    return SchemaError(
        f"column {source.name!r} has values of several lengths, or none at all: ragged=False cannot hold"
    )


def _objects(source: Source) -> Field:
    if source.is_inside:
        source = replace(source, spec=replace(source.spec, fill_null=None, dtype=None))
    return _field(source, "objects")


def _stack(source: Source) -> Field:
    spec = source.spec
    dtypes = []
    for path, type_ in source.columns:
        dtype = _number_dtype(source, type_)
        # `is`, for NumPy takes None for float64: `None in dtypes` finds it there.
        if dtype is None:
            raise SchemaError(
                f"field {spec.target!r} stacks numeric columns, but {'.'.join(path)!r} is {type_}"
            )
        dtypes.append(dtype)
    scales = {type_.scale if pa.types.is_decimal(type_) else 0 for _, type_ in source.columns}
    if len(scales) > 1 and not _takes_floats(spec):
        raise SchemaError(
            f"field {spec.target!r} stacks decimals, which are integers scaled by a power of ten of their own, with "
            "numbers of another scale: decimal='float' makes them floats"
        )
    outputs = [_output(source, dtype) for dtype in dtypes]
    return _field(
        source, "stack", dtype=np.result_type(*outputs), shape=(len(dtypes),), dtypes=tuple(dtypes)
    )


def _is_formed(spec: FieldSpec) -> bool:
    """Whether ragged values are asked for as tensors of all rows together."""
    return spec.ragged in ("offsets", "padded", "nested")


def _has_decimals(column: tuple[Path, pa.DataType]) -> bool:
    type_ = column[1]
    while pa.types.is_list(type_):
        type_ = type_.value_type
    return bool(pa.types.is_decimal(type_))


def _number_dtype(source: Source, type_: pa.DataType) -> np.dtype[np.generic] | None:
    return number_dtype(type_, floats=_takes_floats(source.spec))


def _takes_floats(spec: FieldSpec) -> bool:
    """Whether a decimal is a number like 1.25 to one who asks for this."""
    return spec.decimal == "float" or "float" in str(spec.dtype)


def _output(source: Source, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    if source.spec.dtype is None:
        return dtype
    output = output_dtype(str(source.spec.dtype), dtype)
    if output is None:
        raise OptionError(
            f"field {'.'.join(source.keys)!r}: dtype={source.spec.dtype!r} would cut what {dtype} holds: give a "
            "floating dtype, or a transform that says how"
        )
    return output
