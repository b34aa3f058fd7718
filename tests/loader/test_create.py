"""deltatorch's calls run with only the import changed, and mean what they meant."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from deltastream import (
    FieldSpec,
    create_pytorch_dataloader,
)
from tests.support.loaders import row_ids
from tests.support.tables import write_files
from tests.support.transforms import BinaryToFloatTensor, add_one, image_to_mean

NUM_IMAGES = 500

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def pixels(row: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(row).integers(0, 256, (28, 28), np.uint8)


def png(row: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels(row)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As deltatorch's tutorial writes it: id, label, and the image as 784 bytes; 5 files."""
    parts = [
        pa.table(
            {
                "id": pa.array(rows, pa.int32()),
                "label": pa.array([row % 10 for row in rows], pa.float32()),
                "features": pa.array([pixels(row).tobytes() for row in rows]),
            }
        )
        for rows in np.arange(NUM_IMAGES).reshape(5, -1).tolist()
    ]
    return write_files(tmp_path_factory.mktemp("mnist") / "train", parts)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As deltatorch's README describes it: image, label, id."""
    rows = list(range(60))
    table = pa.table(
        {
            "image": pa.array([png(row) for row in rows]),
            "label": pa.array([row % 10 for row in rows], pa.int64()),
            "id": pa.array(rows, pa.int32()),
        }
    )
    return write_files(tmp_path_factory.mktemp("images") / "table", [table])


def by_id(batches: list[dict[str, Any]], field: str) -> dict[int, torch.Tensor]:
    return {
        int(row): value
        for batch in batches
        for row, value in zip(batch["id"], batch[field], strict=True)
    }


def test_the_tutorials_call_runs_and_its_batches_feed_its_network(mnist: Path) -> None:
    train_dl = create_pytorch_dataloader(
        str(mnist),
        id_field="id",
        fields=[
            FieldSpec("features", transform=BinaryToFloatTensor()),
            FieldSpec("label"),
        ],
        num_workers=4,
        shuffle=True,
        batch_size=32,
    )
    assert isinstance(train_dl, torch.utils.data.DataLoader)
    assert len(train_dl) == 16
    labels = []
    for data in train_dl:
        inputs = data["features"].unsqueeze(1)
        assert inputs.dtype == torch.float32
        assert inputs.shape[1:] == (1, 28, 28)
        assert data["label"].dtype == torch.float32
        assert data["label"].shape == inputs.shape[:1]
        assert set(data) == {"features", "label"}
        labels += data["label"].long().tolist()
    assert sorted(labels) == sorted(row % 10 for row in range(NUM_IMAGES))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_transforms_result_stays_with_its_row(mnist: Path, num_workers: int) -> None:
    loader = create_pytorch_dataloader(
        mnist,
        fields=[FieldSpec("id"), FieldSpec("features", transform=BinaryToFloatTensor())],
        shuffle=True,
        num_workers=num_workers,
    )
    found = by_id(list(loader), "features")
    assert sorted(found) == list(range(NUM_IMAGES))
    for row, value in found.items():
        assert torch.equal(value, torch.from_numpy(pixels(row)).float())


def test_decode_numpy_and_apply_shape_gives_uint8_tensors(mnist: Path) -> None:
    loader = create_pytorch_dataloader(
        mnist,
        fields=[
            FieldSpec("id"),
            FieldSpec("features", decode_numpy_and_apply_shape=(28, 28), target_name="image"),
        ],
        shuffle=True,
    )
    found = by_id(list(loader), "image")
    assert sorted(found) == list(range(NUM_IMAGES))
    for row, value in found.items():
        assert value.dtype == torch.uint8
        assert torch.equal(value, torch.from_numpy(pixels(row)))


def test_decode_numpy_and_apply_shape_gives_a_transform_its_array(mnist: Path) -> None:
    def scale(image: np.ndarray[Any, Any]) -> torch.Tensor:
        assert image.shape == (28, 28)
        image //= 2
        return torch.from_numpy(image)

    loader = create_pytorch_dataloader(
        mnist,
        fields=[FieldSpec("id"), FieldSpec("features", (28, 28), transform=scale)],
    )
    for row, value in by_id(list(loader), "features").items():
        assert torch.equal(value, torch.from_numpy(pixels(row) // 2))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_load_image_using_pil_gives_a_transform_its_image(images: Path, num_workers: int) -> None:
    loader = create_pytorch_dataloader(
        images,
        fields=[
            FieldSpec("id"),
            FieldSpec("image", load_image_using_pil=True, transform=image_to_mean),
        ],
        num_workers=num_workers,
    )
    found = by_id(list(loader), "image")
    assert {row: float(value) for row, value in found.items()} == {
        row: pytest.approx(pixels(row).mean()) for row in range(60)
    }


def test_load_image_using_pil_alone_gives_a_list_of_images(images: Path) -> None:
    loader = create_pytorch_dataloader(
        images,
        fields=[FieldSpec("id"), FieldSpec("image", load_image_using_pil=True)],
        batch_size=7,
    )
    batch = next(iter(loader))
    assert len(batch["image"]) == 7
    for row, image in zip(batch["id"].tolist(), batch["image"], strict=True):
        assert isinstance(image, Image.Image)
        assert np.array_equal(np.asarray(image), pixels(row))


def count_rows(rows: list[dict[str, Any]]) -> tuple[int, list[int], list[type]]:
    assert all(list(row) == ["id", "kind", "features"] for row in rows)
    return len(rows), [row["id"] for row in rows], [type(v) for v in rows[0].values()]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_collate_fn_gets_a_list_of_row_dicts(mnist: Path, num_workers: int) -> None:
    loader = create_pytorch_dataloader(
        mnist,
        fields=[
            FieldSpec("id"),
            FieldSpec("label", target_name="kind"),
            FieldSpec("features", transform=BinaryToFloatTensor()),
        ],
        shuffle=True,
        num_workers=num_workers,
        collate_fn=count_rows,
    )
    found = list(loader)
    assert len(found) == len(loader) == 16
    assert [count for count, _, _ in found] == [32] * 15 + [20]
    assert sorted(row for _, rows, _ in found for row in rows) == list(range(NUM_IMAGES))
    assert found[0][2] == [int, float, torch.Tensor]


def test_collate_fn_sees_the_rows_that_it_would_get_as_batches(mnist: Path) -> None:
    options: dict[str, Any] = {"fields": [FieldSpec("id")], "shuffle": True}
    rows = create_pytorch_dataloader(mnist, collate_fn=lambda rows: rows, **options)
    assert [row["id"] for batch in rows for row in batch] == row_ids(
        create_pytorch_dataloader(mnist, **options)
    )


def test_without_fields_the_batch_has_every_column(mnist: Path) -> None:
    batch = next(iter(create_pytorch_dataloader(mnist)))
    assert {name: (value.dtype, tuple(value.shape)) for name, value in batch.items()} == {
        "id": (torch.int32, (32,)),
        "label": (torch.float32, (32,)),
        "features": (torch.uint8, (32, 784)),
    }


def test_target_name_is_the_key_of_the_batch(mnist: Path) -> None:
    fields = [FieldSpec("label", target_name="y"), FieldSpec("label", None, False, add_one, "z")]
    batch = next(iter(create_pytorch_dataloader(mnist, fields=fields)))
    assert list(batch) == ["y", "z"]
    assert torch.equal(batch["y"].double() + 1, batch["z"])


@pytest.mark.parametrize(
    "shuffle",
    [
        False,
        True,
    ],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_fields_of_a_batch_keep_their_order(
    mnist: Path, num_workers: int, shuffle: bool
) -> None:
    fields = [
        FieldSpec("features", transform=BinaryToFloatTensor()),
        FieldSpec("label", null_mask=True),
        FieldSpec("id", transform=add_one),
    ]
    loader = create_pytorch_dataloader(
        mnist, fields=fields, num_workers=num_workers, shuffle=shuffle
    )
    batch = next(iter(loader))
    assert list(batch) == ["features", "label", "label_mask", "id"]


@pytest.mark.parametrize("ids", ["gaps", "duplicates", "nulls"])
def test_ids_may_have_gaps_duplicates_and_nulls(tmp_path: Path, ids: str) -> None:
    row = np.arange(100)
    values = {
        "gaps": pa.array(row * 1000 - 7),
        "duplicates": pa.array(row // 10),
        "nulls": pa.array([None if i % 3 else int(i) for i in row], pa.int64()),
    }
    parts = [pa.table({"id": values[ids], "row": row})]
    root = write_files(tmp_path / "table", parts)
    loader = create_pytorch_dataloader(
        root, "id", [FieldSpec("row")], shuffle=True, batch_size=8, num_workers=2
    )
    assert sorted(r for batch in loader for r in batch["row"].tolist()) == row.tolist()
