"""deltatorch's oldest form: the table's length as second argument, pairs as batches."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from deltastream import DeltaDataLoader, OptionError, create_pytorch_dataloader
from tests.support.tables import write_files
from tests.support.transforms import add_one, image_to_mean

NUM_ROWS = 100

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def pixels(row: int) -> np.ndarray[Any, Any]:
    return np.full((4, 6), row, np.uint8)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def png(row: int) -> bytes:
        content = io.BytesIO()
        Image.fromarray(pixels(row)).save(content, "PNG")
        return content.getvalue()

    parts = [
        pa.table(
            {
                "id": pa.array(rows, pa.int32()),
                "image": pa.array([png(row) for row in rows]),
                "raw": pa.array([pixels(row).tobytes() for row in rows]),
                "label": pa.array(rows, pa.int64()),
            }
        )
        for rows in (range(60), range(60, NUM_ROWS))
    ]
    return write_files(tmp_path_factory.mktemp("legacy") / "table", parts)


def create(root: Path, *args: Any, **options: Any) -> DeltaDataLoader:
    with pytest.warns(DeprecationWarning, match="oldest form") as caught:
        loader = create_pytorch_dataloader(str(root), *args, **options)
    assert Path(caught[0].filename) == Path(__file__)
    return loader


def test_the_readmes_call_runs_and_gives_pairs(table: Path) -> None:
    def create_data_loader(path: str, length: int, batch_size: int) -> DeltaDataLoader:
        return create(
            Path(path),
            length,
            src_field="image",
            target_field="label",
            id_field="id",
            load_pil=True,
            transform=image_to_mean,
            num_workers=2,
            shuffle=True,
            batch_size=batch_size,
        )

    loader = create_data_loader(str(table), NUM_ROWS, 8)
    assert isinstance(loader, torch.utils.data.DataLoader)
    assert (len(loader), loader.batch_size) == (13, 8)
    labels = []
    for source, target in loader:
        assert (source.dtype, target.dtype) == (torch.float64, torch.int64)
        assert source.tolist() == target.tolist()
        labels += target.tolist()
    assert sorted(labels) == list(range(NUM_ROWS))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_sources_may_be_arrays_and_both_sides_may_be_transformed(
    table: Path, num_workers: int
) -> None:
    loader = create(
        table,
        NUM_ROWS,
        src_field="raw",
        target_field="label",
        apply_src_numpy_shape=(4, 6),
        target_transform=add_one,
        num_workers=num_workers,
    )
    for pair in loader:
        assert type(pair) is list
        source, target = pair
        assert source.shape[1:] == (4, 6)
        assert torch.equal(source[:, 0, 0].long() + 1, target)


def first_labels(rows: list[tuple[Any, Any]]) -> list[int]:
    assert all(type(row) is tuple and len(row) == 2 for row in rows)
    return [target for _, target in rows]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_collate_fn_gets_a_list_of_pairs(table: Path, num_workers: int) -> None:
    loader = create(
        table,
        NUM_ROWS,
        src_field="raw",
        target_field="label",
        collate_fn=first_labels,
        num_workers=num_workers,
        batch_size=7,
    )
    found = list(loader)
    assert sorted(label for labels in found for label in labels) == list(range(NUM_ROWS))
    assert len(found[0]) == 7


@pytest.mark.parametrize("length", [1, NUM_ROWS, 10**9, np.int64(5)])
def test_a_wrong_length_changes_nothing(table: Path, length: int) -> None:
    loader = create(table, length, src_field="raw", target_field="label", queue_size=3)
    assert len(loader) == 4
    assert sum(len(target) for _, target in loader) == NUM_ROWS


def test_the_length_may_be_named(table: Path) -> None:
    loader = create(table, length=NUM_ROWS, src_field="raw", target_field="label")
    assert len(loader) == 4


@pytest.mark.filterwarnings("ignore:2 ranks without a store in common")
def test_ranks_are_used_with_use_fixed_rank_only(table: Path) -> None:
    ranked = [
        create(
            table,
            NUM_ROWS,
            src_field="raw",
            target_field="label",
            use_fixed_rank=True,
            rank=rank,
            num_ranks=2,
        )
        for rank in range(2)
    ]
    found = [label for loader in ranked for _, target in loader for label in target.tolist()]
    assert set(found) == set(range(NUM_ROWS))
    assert [len(loader) for loader in ranked] == [2, 2]


@pytest.mark.parametrize("shape", [(2, -1), np.array([2, 12]), torch.Size([2, 12])], ids=str)
def test_a_shape_may_be_what_numpy_takes(table: Path, shape: Any) -> None:
    loader = create(table, 1, src_field="raw", target_field="label", apply_src_numpy_shape=shape)
    assert {source.shape[1:] for source, _ in loader} == {(2, 12)}


@pytest.mark.parametrize("shape", [24, -1])
def test_a_shape_may_be_one_number(table: Path, shape: int) -> None:
    loader = create(table, 1, src_field="raw", target_field="label", apply_src_numpy_shape=shape)
    assert {source.shape[1:] for source, _ in loader} == {(24,)}


def test_arguments_of_both_forms_do_not_mix(table: Path) -> None:
    with pytest.raises(OptionError, match="oldest form, with the table's length, has no version"):
        create_pytorch_dataloader(
            str(table), NUM_ROWS, src_field="raw", target_field="label", version=0
        )
    with pytest.raises(OptionError, match="src_field, target_field belongs to deltatorch's oldest"):
        create_pytorch_dataloader(str(table), src_field="raw", target_field="label")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_fixed_rank": True}, "needs rank and num_ranks"),
        ({"use_fixed_rank": True, "rank": 0}, "needs rank and num_ranks"),
        ({"rank": 1, "num_ranks": 2}, "used with use_fixed_rank=True only"),
    ],
)
def test_arguments_of_the_rank_that_contradict_each_other_are_refused(
    table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        create(table, NUM_ROWS, src_field="raw", target_field="label", **options)
