"""Random tables: what happens to one, commit by commit, written by deltalake, and what it then has to hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import deltalake
import pyarrow as pa
from hypothesis import strategies as st

__all__ = ["History", "Plan", "plans", "write"]

Row = dict[str, Any]

_DAY = date(2000, 1, 1)
_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


def _integers(bits: int) -> Callable[[Random], int]:
    return lambda random: random.choice(
        [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, random.randint(-9, 9)]
    )


def _text(random: Random) -> str:
    return random.choice(["", "a", "ä b", "%41", "a/b=c", "'\"\\", "\U0001f600", "x" * 40, "null"])


def _instant(random: Random) -> datetime:
    return _INSTANT + timedelta(microseconds=random.randint(-(10**15), 10**15))


_VALUES: dict[str, tuple[pa.DataType, Callable[[Random], Any]]] = {
    "byte": (pa.int8(), _integers(8)),
    "short": (pa.int16(), _integers(16)),
    "int": (pa.int32(), _integers(32)),
    "long": (pa.int64(), _integers(64)),
    "float": (pa.float32(), lambda random: random.choice([0.5, -0.0, math.inf, math.nan])),
    "double": (pa.float64(), lambda random: random.choice([random.random(), -0.0, math.nan])),
    "bool": (pa.bool_(), lambda random: random.random() < 0.5),
    "text": (pa.string(), _text),
    "bytes": (pa.binary(), lambda random: random.randbytes(random.randint(0, 5))),
    "date": (pa.date32(), lambda random: _DAY + timedelta(days=random.randint(-9999, 9999))),
    "instant": (pa.timestamp("us", "UTC"), _instant),
    "local": (pa.timestamp("us"), lambda random: _instant(random).replace(tzinfo=None)),
    "price": (
        pa.decimal128(12, 2),
        lambda random: Decimal(random.randint(-(10**9), 10**9)).scaleb(-2),
    ),
    "list": (
        pa.list_(pa.int32()),
        lambda random: [_maybe(random, 7) for _ in range(random.randint(0, 3))],
    ),
    "struct": (
        pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))]),
        lambda random: {"a": _maybe(random, 1), "b": _maybe(random, {"c": _maybe(random, "d")})},
    ),
    "map": (
        pa.map_(pa.string(), pa.int32()),
        lambda random: [(key, _maybe(random, 3)) for key in ("k", "l")[: random.randint(0, 2)]],
    ),
}
# deltalake cannot write negative decimals as partition values, nor read them.
_PARTITIONS = ("int", "text", "date", "bool", "local")
_ACTIONS = (
    "append",
    "append",
    "delete",
    "evolve",
    "compact",
    "checkpoint",
    "update",
    "overwrite",
    "vacuum",
)


def _maybe(random: Random, value: Any) -> Any:
    return None if random.random() < 0.3 else value


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen to a table."""

    columns: tuple[str, ...]
    """Kinds of columns; a column has the name of its kind."""
    partitions: tuple[str, ...]
    later: tuple[str, ...]
    """Kinds of columns that are added by and by."""
    actions: tuple[str, ...]
    seed: int


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    kinds = draw(st.lists(st.sampled_from(sorted(_VALUES)), min_size=1, max_size=7, unique=True))
    later = draw(st.integers(0, min(2, len(kinds) - 1)))
    columns, added = tuple(kinds[later:]), tuple(kinds[:later])
    may_partition = [kind for kind in columns if kind in _PARTITIONS]
    partitions = may_partition[: draw(st.integers(0, 2))]
    actions = draw(st.lists(st.sampled_from(_ACTIONS), max_size=7))
    return Plan(columns, tuple(partitions), added, tuple(actions), draw(st.integers(0, 2**32)))


@dataclass(slots=True)
class History:
    """A table that was written, and the rows that each of its versions has to hold, by their id."""

    root: Path
    versions: dict[int, dict[int, Row]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    vacuumed_before: int = 0
    """Older versions may have lost their files."""


def write(plan: Plan, root: Path) -> History:
    """Write a table as planned, one commit or none an action."""
    return _Writer(plan, root).write()


class _Writer:
    def __init__(self, plan: Plan, root: Path) -> None:
        self._plan = plan
        self._random = Random(plan.seed)
        self._later = list(plan.later)
        self._rows: dict[int, Row] = {}
        self._next_id = 0
        self._history = History(root, columns=["id", *plan.columns])

    def write(self) -> History:
        self._append()
        for action in self._plan.actions:
            getattr(self, f"_{action}")()
        return self._history

    def _committed(self) -> None:
        self._history.versions[self._table.version()] = dict(self._rows)

    @property
    def _table(self) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(self._history.root)

    def _new_rows(self) -> pa.Table:
        ids = list(range(self._next_id, self._next_id + self._random.randint(0, 40)))
        self._next_id += len(ids)
        columns = {"id": pa.array(ids, pa.int64())}
        for kind in self._history.columns[1:]:
            type_, value = _VALUES[kind]
            columns[kind] = pa.array(
                [_maybe(self._random, value(self._random)) for _ in ids], type_
            )
        return pa.table(columns)

    def _write(self, mode: str, schema_mode: str | None = None) -> None:
        rows = self._new_rows()
        deltalake.write_deltalake(
            self._history.root,
            rows,
            mode=mode,  # type: ignore[arg-type]
            schema_mode=schema_mode,  # type: ignore[arg-type]
            partition_by=list(self._plan.partitions) or None,
            writer_properties=deltalake.WriterProperties(
                max_row_group_size=self._random.choice([7, 1000]), write_batch_size=7
            ),
        )
        if mode == "overwrite":
            self._rows.clear()
        if schema_mode:
            new = self._history.columns[-1]
            self._rows = {number: {**row, new: None} for number, row in self._rows.items()}
        for row in rows.to_pylist():
            self._rows[row["id"]] = self._as_stored(row)
        self._committed()

    def _as_stored(self, row: Row) -> Row:
        # Delta PROTOCOL.md, "Partition Value Serialization": an empty text is null.
        return {k: None if v == "" and k in self._plan.partitions else v for k, v in row.items()}

    def _append(self) -> None:
        self._write("append")

    def _overwrite(self) -> None:
        self._write("overwrite")

    def _evolve(self) -> None:
        if self._later:
            self._history.columns.append(self._later.pop())
            self._write("append", "merge")

    def _delete(self) -> None:
        low, high = sorted(self._random.choices(range(self._next_id + 1), k=2))
        self._table.delete(f"id >= {low} AND id < {high}")
        self._rows = {n: row for n, row in self._rows.items() if not low <= n < high}
        self._committed()

    def _update(self) -> None:
        below = self._random.randrange(self._next_id + 1)
        if "long" not in self._history.columns:
            return
        self._table.update({"long": "7"}, predicate=f"id < {below}")
        self._rows = {n: {**row, "long": 7} if n < below else row for n, row in self._rows.items()}
        self._committed()

    def _compact(self) -> None:
        self._table.optimize.compact()
        self._committed()

    def _checkpoint(self) -> None:
        self._table.create_checkpoint()

    def _vacuum(self) -> None:
        self._table.vacuum(0, dry_run=False, enforce_retention_duration=False)
        self._committed()
        self._history.vacuumed_before = self._table.version()
