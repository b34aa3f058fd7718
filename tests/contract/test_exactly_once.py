"""Whatever the table, the filter, the topology and the places to stop: every row once, equal steps, an exact length."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deltastream import DeltaDataLoader, FieldSpec, create_pytorch_dataloader
from tests.support.vectors import DataFile, live_ids, numbered_files, write_files_with_vectors


@st.composite
def data_files(draw: st.DrawFn) -> list[DataFile]:
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    deleted = [draw(st.none() | st.sets(st.integers(0, size - 1)).map(sorted)) for size in sizes]
    row_group_rows = draw(st.integers(1, 15))
    has_statistics = draw(st.booleans())
    return numbered_files(
        sizes, deleted, row_group_rows=row_group_rows, has_statistics=has_statistics
    )


def ranks_of(root: Path, num_ranks: int, **options: Any) -> list[DeltaDataLoader]:
    return [
        create_pytorch_dataloader(
            root,
            fields=[FieldSpec("id")],
            version=0,
            use_fixed_rank=True,
            rank=rank,
            num_ranks=num_ranks,
            **options,
        )
        for rank in range(num_ranks)
    ]


@settings(max_examples=settings().max_examples, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=data_files(),
    filter_from=st.none() | st.integers(0, 60),
    stages=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0] * 11 + [2]), st.integers(0, 6)),
        min_size=1,
        max_size=3,
    ),
    lanes=st.integers(1, 6),
    batch_size=st.integers(1, 12),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    pad=st.booleans(),
    order_seed=st.integers(0, 2**63 - 1),
)
def test_every_row_exactly_once_or_the_padding_that_is_documented(
    files: list[DataFile],
    filter_from: int | None,
    stages: list[tuple[int, int, int]],
    batch_size: int,
    drop_last: bool,
    pad: bool,
    order_seed: int,
    **options: Any,
) -> None:
    ids = [row for row in live_ids(files) if filter_from is None or row >= filter_from]
    num_batches = len(ids) // batch_size if drop_last else -(-len(ids) // batch_size)
    assume(num_batches >= max(num_ranks for num_ranks, _, _ in stages))
    options |= {"batch_size": batch_size, "seed": order_seed, "shuffle_rows": 20, "pad": pad}
    options |= {"drop_last": drop_last}
    if filter_from is not None:
        options["filter"] = f"id >= {filter_from}"
    found: list[list[int]] = []
    state: dict[str, Any] | None = None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*do not divide", category=UserWarning)
        warnings.filterwarnings("ignore", message="This DataLoader will", category=UserWarning)
        root = write_files_with_vectors(Path(folder) / "t", files)
        for stage, (num_ranks, num_workers, steps) in enumerate(stages):
            left = num_batches - len(found)
            # Where less is left than each rank needs one of, they leave it out.
            is_last = stage == len(stages) - 1 or (drop_last and left < num_ranks)
            ranks = ranks_of(root, num_ranks, num_workers=num_workers, **options)
            for rank in ranks:
                if state is not None:
                    rank.load_state_dict(state)
            lengths = [len(rank) for rank in ranks]
            if drop_last:
                assert lengths == [left // num_ranks] * num_ranks
            elif pad:
                assert lengths == [-(-left // num_ranks)] * num_ranks
            else:
                assert sum(lengths) == left
                assert max(lengths) - min(lengths) <= 1
            # Before the last stage it stops behind a step that all ranks did, with something left to do.
            room = left // num_ranks - 1 if drop_last else (left - 1) // num_ranks
            stop = max(lengths) if is_last else min(steps, room)
            iterators = [iter(rank) for rank in ranks]
            for step in range(stop):
                found += [
                    next(iterator)["id"].tolist()
                    for iterator, length in zip(iterators, lengths, strict=True)
                    if step < length
                ]
            if is_last:
                assert all(next(iterator, None) is None for iterator in iterators)
            states = [rank.state_dict() for rank in ranks]
            assert all(one == states[0] for one in states)
            state = states[0]
            del iterators
            if is_last:
                break
    assert (state["epoch"], state["next_microbatch"]) == (1, 0)
    rows = [row for batch in found for row in batch]
    assert set(rows) <= set(ids)
    if drop_last:
        assert len(set(rows)) == len(rows)
        assert num_batches - len(found) < num_ranks
    elif pad:
        assert set(rows) == set(ids)
        # Repeated are a short batch's own rows, and whole batches at the very end.
        assert {len(batch) for batch in found} <= {batch_size}
        whole = [row for batch in found[: num_batches - 1] for row in batch]
        assert len(set(whole)) == len(whole)
        assert len(found) - num_batches < num_ranks
    else:
        assert sorted(rows) == ids
