"""Damages files: bytes anywhere, values of JSON actions, columns of checkpoints. The same for the same random state."""

from __future__ import annotations

import json
from io import BytesIO
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["mutate_bytes", "mutate_checkpoint", "mutate_footer", "mutate_json", "mutate_pages"]

_BYTES = (0, 1, 0x7F, 0x80, 0xFF, 0x15, 0x2C)
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 2**64, 10**30, 1.5, 1e308, float("nan"), "", "null", "0",
    "\u0000", "\ud800", "../..", "file:///", "s3://b/k", "%", "%zz", "a" * 70_000, [], {}, [[]], [None], {"a": {}},
)  # fmt: skip


def mutate_bytes(data: bytes, random: Random, *, keeps_size: bool = False) -> bytes:
    """Damage a few places anywhere."""
    damaged = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        _damage(damaged, 0, len(damaged), random, keeps_size=keeps_size)
    return bytes(damaged)


def mutate_footer(data: bytes, random: Random) -> bytes:
    """Damage the footer of a Parquet file, which keeps its size."""
    damaged = bytearray(data)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(random.choice([1, 1, 2, 5])):
        _damage(damaged, start, len(damaged), random, keeps_size=True)
    return bytes(damaged)


def mutate_pages(data: bytes, random: Random) -> bytes:
    """Damage the pages of a Parquet file, whose footer stays whole."""
    damaged = bytearray(data)
    stop = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(random.choice([1, 1, 2, 5])):
        _damage(damaged, 4, stop, random, keeps_size=True)
    return bytes(damaged)


def mutate_json(data: bytes, random: Random) -> bytes:
    """Damage bytes, or exchange, drop or repeat values and lines."""
    if random.random() < 0.4:
        return mutate_bytes(data, random)
    lines = [json.loads(line) for line in data.splitlines()]
    for _ in range(random.choice([1, 1, 2])):
        if random.random() < 0.15:
            number = random.randrange(len(lines))
            lines[number : number + 1] = random.choice([[], [lines[number]] * 2, [{}], [[]], [0]])
            if not lines:
                break
            continue
        _exchange(random.choice(lines), random)
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def mutate_checkpoint(data: bytes, random: Random) -> bytes:
    """Damage bytes, or drop, rename, retype or empty the columns and fields of a checkpoint."""
    if random.random() < 0.6:
        return mutate_bytes(data, random)
    table = pq.read_table(BytesIO(data))
    number = random.randrange(table.num_columns)
    changed = _retype(table.column(number).combine_chunks(), random)
    name = table.column_names[number]
    if changed is None:
        table = table.remove_column(number)
    else:
        table = table.set_column(number, random.choice([name, name, name, "x"]), changed)
    sink = BytesIO()
    table = table.cast(pa.schema([pa.field(f.name, _nullable(f.type)) for f in table.schema]))
    pq.write_table(table, sink, row_group_size=random.choice([1, 1000]))
    return sink.getvalue()


def _nullable(type_: pa.DataType) -> pa.DataType:
    # The children of a null struct are null, whatever they were declared to be.
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(f.name, _nullable(f.type)) for f in type_])
    return type_


def _damage(data: bytearray, start: int, stop: int, random: Random, *, keeps_size: bool) -> None:
    if stop <= start:
        return
    at = random.randrange(start, stop)
    length = min(random.choice([1, 1, 2, 4, 16]), stop - at)
    kinds = ["bit", "byte", "run", "copy"]
    kind = random.choice(kinds if keeps_size else [*kinds, "cut", "insert", "truncate"])
    if kind == "bit":
        data[at] ^= 1 << random.randrange(8)
    elif kind == "byte":
        data[at] = random.choice(_BYTES)
    elif kind == "run":
        data[at : at + length] = random.randbytes(length)
    elif kind == "copy":
        source = random.randrange(start, stop - length + 1)
        data[at : at + length] = data[source : source + length]
    elif kind == "cut":
        del data[at : at + length]
    elif kind == "insert":
        data[at:at] = random.randbytes(length)
    else:
        del data[at:]


def _exchange(value: Any, random: Random) -> None:
    """Exchange, drop or rename one of the items somewhere in a value."""
    while isinstance(value, (dict, list)) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = random.choice(keys)
        inner = value[key]
        if isinstance(inner, str) and inner[:1] in "{[" and random.random() < 0.7:
            # JSON within JSON: a schema, statistics.
            try:
                parsed = json.loads(inner)
            except ValueError:
                return
            _exchange(parsed, random)
            value[key] = json.dumps(parsed)
            return
        if not (isinstance(inner, (dict, list)) and inner) or random.random() < 0.2:
            kind = random.random()
            if kind < 0.15:
                del value[key]
            elif kind < 0.25 and isinstance(value, dict):
                value[f"{key}x"] = value.pop(key)
            elif kind < 0.3 and isinstance(inner, str):
                value[key] = inner[: len(inner) // 2]
            else:
                value[key] = random.choice(_VALUES)
            return
        value = inner


def _retype(array: pa.Array, random: Random) -> pa.Array | None:
    """Return the array with something changed in it; None: it is to be dropped."""
    if pa.types.is_struct(array.type) and array.type.num_fields and random.random() < 0.8:
        number = random.randrange(array.type.num_fields)
        fields, arrays = list(array.type), array.flatten()
        changed = _retype(arrays[number], random)
        if changed is None:
            del fields[number], arrays[number]
        else:
            arrays[number] = changed
            name = random.choice([fields[number].name] * 3 + ["x"])
            fields[number] = pa.field(name, changed.type)
        mask = array.is_null()
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=mask) if fields else None
    kind = random.choice(["drop", "null", "text", "number", "list"])
    size = len(array)
    match kind:
        case "null":
            return pa.nulls(size, array.type)
        case "text":
            return pa.array([random.choice(["", "x", "{}", "%"]) for _ in range(size)])
        case "number":
            return pa.array(
                [random.choice([0, -1, 2**63 - 1, None]) for _ in range(size)], pa.int64()
            )
        case "list":
            return pa.array([[1]] * size)
    return None
