from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltastream.batch import Chunk, ChunkBuilder, ColumnGroups, Layout
from deltastream.batch.ragged import RaggedRows
from deltastream.engine.buffers import WindowMemory
from deltastream.errors import NullValueError
from deltastream.fields import FieldSpec
from tests.support.columns import CONTEXT, layout_of, window_memory

SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("flag", pa.bool_()),
        ("maybe", pa.float32()),
        ("text", pa.string()),
        ("pair", pa.list_(pa.int16())),
        ("ragged", pa.list_(pa.int32())),
        ("bytes", pa.binary()),
    ]
)


def layout() -> Layout:
    """Every kind of field."""
    return layout_of(
        SCHEMA,
        FieldSpec("n"),
        FieldSpec("flag"),
        FieldSpec("maybe", fill_null=-1, null_mask=True),
        FieldSpec("text", null_mask=True),
        FieldSpec("pair"),
        FieldSpec("ragged"),
        FieldSpec("bytes", decode_numpy_and_apply_shape=(1, 3)),
        FieldSpec("n", transform=lambda n: n * 10, target_name="ten"),
        FieldSpec(["n", "maybe"], target_name="stack", fill_null=0.5, null_mask=True),
        samples={"pair": [[0, 0]], "ragged": [[1], [1, 2]]},
    )


def table(num_rows: int) -> pa.Table:
    rows = range(num_rows)
    return pa.table(
        {
            "n": list(rows),
            "flag": [i % 3 == 0 for i in rows],
            "maybe": [None if i % 4 == 0 else float(i) for i in rows],
            "text": [None if i % 5 == 0 else f"row {i}" for i in rows],
            "pair": [[i, -i] for i in rows],
            "ragged": [list(range(i % 4)) for i in rows],
            "bytes": [bytes([i % 256, 1, 2]) for i in rows],
        },
        SCHEMA,
    )


def expected_row(i: int) -> dict[str, Any]:
    missing = i % 4 == 0
    return {
        "n": i,
        "flag": i % 3 == 0,
        "maybe": -1.0 if missing else float(i),
        "maybe_mask": not missing,
        "text": None if i % 5 == 0 else f"row {i}",
        "text_mask": i % 5 != 0,
        "pair": [i, -i],
        "ragged": list(range(i % 4)),
        "bytes": [[i % 256, 1, 2]],
        "ten": i * 10,
        "stack": [float(i), 0.5 if missing else float(i)],
        "stack_mask": [True, not missing],
    }


def builder(
    fields: Layout,
    positions: npt.NDArray[np.int64] | None,
    num_rows: int,
    *,
    start: int = 0,
    memory: WindowMemory | None = None,
    transform_threads: int = 4,
    copies_all: bool = False,
) -> ChunkBuilder:
    return ChunkBuilder(
        ColumnGroups(fields, copies_all=copies_all or positions is not None),
        None if positions is None else lambda: positions,
        start=start,
        stop=start + num_rows,
        memory=memory or window_memory(),
        transform_slots=BoundedSemaphore(transform_threads),
        stopped=Event(),
    )


def add(target: ChunkBuilder, rows: pa.Table, offset: int) -> None:
    def decode(names: Sequence[str], whole: Collection[str]) -> dict[str, pa.Array]:
        return {name: rows.column(name).chunk(0) for name in names}

    target.add(
        decode,
        slice(offset, offset + rows.num_rows),
        context=CONTEXT,
        row_numbers=range(offset, offset + rows.num_rows),
    )


def rows_of_chunk(chunk: Chunk) -> list[dict[str, Any]]:
    columns = [rows_of(values) for values in chunk.arrays.values()]
    return [
        {name: plain(values) for name, values in zip(chunk.arrays, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]


def rows_of(values: Any) -> list[Any]:
    if isinstance(values, RaggedRows):
        return np.split(values.own_values, values.offsets[1:-1] - values.offsets[0])
    return list(values)


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def cut(rows: pa.Table, sizes: Sequence[int]) -> list[tuple[int, pa.Table]]:
    """Divide a table into consecutive parts; each with where it begins."""
    starts = np.cumsum([0, *sizes]).tolist()
    return [(start, rows.slice(start, n)) for start, n in zip(starts, sizes, strict=False)]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(0, 10**6),
    st.randoms(use_true_random=False),
)
def test_every_row_is_in_its_place_whatever_row_group_comes_first(
    sizes: list[int], start: int, random: Any
) -> None:
    num_rows = sum(sizes)
    positions = np.array(random.sample(range(num_rows), num_rows), np.int64)
    chunks = builder(layout(), positions, num_rows, start=start)
    parts = cut(table(num_rows), sizes)
    for offset, part in random.sample(parts, len(parts)):
        add(chunks, part, offset)
    chunk = chunks.finish()
    assert (chunk.start, chunk.stop) == (start, start + num_rows)
    found = rows_of_chunk(chunk)
    assert [found[place] for place in positions] == [expected_row(i) for i in range(num_rows)]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_row_groups_in_file_order_share_one_buffer(sizes: list[int], random: Any) -> None:
    num_rows = sum(sizes)
    rows = pa.table(
        {"a": np.arange(num_rows), "b": np.arange(num_rows) / 2, "c": np.arange(num_rows) / 4}
    )
    fields = layout_of(rows.schema, FieldSpec("a"), FieldSpec(["b", "c"], target_name="s"))
    chunks = builder(fields, None, num_rows, copies_all=True)
    parts = cut(rows, sizes)
    for offset, part in random.sample(parts, len(parts)):
        add(chunks, part.combine_chunks(), offset)
    arrays = chunks.finish().arrays
    assert rows_of(arrays["a"]) == list(range(num_rows))
    assert np.array_equal(arrays["s"], np.stack([rows["b"], rows["c"]], axis=1))  # type: ignore[arg-type]


@given(st.integers(1, 20))
def test_rows_in_file_order_stay_where_they_are(num_rows: int) -> None:
    chunks = builder(layout(), None, num_rows)
    add(chunks, table(num_rows), 0)
    found = rows_of_chunk(chunks.finish())
    assert found == [expected_row(i) for i in range(num_rows)]


def test_the_fields_come_in_one_order_permuted_or_not() -> None:
    rows = table(4)
    keys = []
    for positions in (None, np.arange(4)):
        chunks = builder(layout(), positions, 4)
        add(chunks, rows, 0)
        keys.append(set(chunks.finish().arrays))
    assert keys[0] == keys[1] == set(expected_row(0))


def test_in_file_order_what_is_not_stacked_is_kept_as_it_was_decoded() -> None:
    num_rows = 1000
    rows = pa.table({"alone": np.arange(num_rows), "small": np.arange(num_rows, dtype=np.float32)})
    fields = layout_of(rows.schema, FieldSpec("alone"), FieldSpec(["small"], target_name="stack"))
    chunks = builder(fields, None, num_rows)
    add(chunks, rows, 0)
    chunk = chunks.finish()
    for target, name, is_kept in (("alone", "alone", True), ("stack", "small", False)):
        array = chunk.arrays[target]
        decoded = rows.column(name).chunk(0).buffers()[1]
        assert isinstance(array, np.ndarray)
        assert (array.ctypes.data == decoded.address) == is_kept
        np.testing.assert_array_equal(array.reshape(-1), np.arange(num_rows))


def test_the_tensors_of_a_permuted_window_lie_in_one_buffer_aligned_to_cache_lines() -> None:
    num_rows = 1001
    rows = pa.table({"a": np.arange(num_rows, dtype=np.int8), "b": np.arange(num_rows) / 2})
    fields = layout_of(rows.schema, FieldSpec("a"), FieldSpec("b"), FieldSpec("a", target_name="c"))
    chunks = builder(fields, np.arange(num_rows), num_rows, memory=window_memory())
    add(chunks, rows, 0)
    spans = sorted(
        (a.ctypes.data, a.ctypes.data + a.nbytes) for a in chunks.finish().arrays.values()
    )
    for (_, stop), (start, _) in pairwise(spans):
        assert 0 <= start - stop < 64
        assert (start - spans[0][0]) % 64 == 0


def test_row_groups_are_added_in_several_threads_at_once() -> None:
    num_rows, size = 400, 20
    positions = np.random.RandomState(0).permutation(num_rows)
    chunks = builder(layout(), positions, num_rows)
    parts = cut(table(num_rows), [size] * (num_rows // size))
    threads = [
        Thread(target=add, args=(chunks, part, offset), name="test-add") for offset, part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rows_of_chunk(chunks.finish())
    assert [found[place] for place in positions] == [expected_row(i) for i in range(num_rows)]


def test_no_more_threads_run_transforms_than_were_allowed() -> None:
    running = most = 0
    lock = Lock()

    def transform(value: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return value

    rows = pa.table({"n": np.arange(300)})
    fields = layout_of(rows.schema, FieldSpec("n", transform=transform))
    chunks = builder(fields, np.arange(300), 300, transform_threads=1)
    threads = [
        Thread(target=add, args=(chunks, part, offset), name="test-add")
        for offset, part in cut(rows, [50] * 6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert chunks.finish().arrays["n"].tolist() == list(range(300))


@pytest.mark.parametrize(("names", "held"), [(["n"], False), (["n", "text"], True)])
def test_a_chunk_of_tensors_gives_the_rest_of_its_charge_back_and_one_of_objects_keeps_it(
    names: list[str], held: bool
) -> None:
    memory = window_memory(estimate=10_000)
    fields = layout_of(SCHEMA, *(FieldSpec(name, null_mask=name == "text") for name in names))
    chunks = builder(fields, np.arange(8), 8, memory=memory)
    add(chunks, table(8), 0)
    chunk = chunks.finish()
    assert (chunk.charge.nbytes > 0) == held


def test_an_error_of_a_column_is_raised_where_its_row_group_is_added() -> None:
    fields = layout_of(SCHEMA, FieldSpec("maybe"))
    chunks = builder(fields, np.arange(8), 8)
    with pytest.raises(NullValueError, match="column 'maybe' has 2 nulls"):
        add(chunks, table(8), 0)
