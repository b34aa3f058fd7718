"""The loader as a torch DataLoader: what it tells of itself, takes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deltastream import (
    DeltaDataLoader,
    DeltaDataset,
    FieldSpec,
    OptionError,
    SchemaError,
    create_pytorch_dataloader,
)
from tests.support.loaders import row_ids
from tests.support.tables import base_ids, write_numbered


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("loader") / "table", [100, 50])


def test_the_loader_tells_the_truth_about_itself(table: Path) -> None:
    loader = create_pytorch_dataloader(table, batch_size=16, drop_last=True, num_workers=2)
    assert isinstance(loader, DeltaDataLoader)
    assert isinstance(loader.dataset, DeltaDataset)
    assert (loader.batch_size, loader.drop_last, loader.num_workers) == (16, True, 2)
    assert len(loader) == 9
    assert len(list(loader)) == 9
    assert create_pytorch_dataloader(table).batch_size == 32
    assert create_pytorch_dataloader(table).drop_last is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 4),
        ("shuffle", True),
        ("sampler", [1, 2]),
        ("batch_sampler", [[1, 2]]),
        ("drop_last", True),
    ],
)
def test_what_would_sample_or_batch_a_second_time_is_refused(
    table: Path, name: str, value: Any
) -> None:
    with pytest.raises(OptionError, match=name):
        DeltaDataLoader(DeltaDataset(table), **{name: value})
    if name in ("sampler", "batch_sampler"):
        with pytest.raises(OptionError, match=name):
            create_pytorch_dataloader(table, **{name: value})


def test_what_is_torchs_goes_to_torch(table: Path) -> None:
    loader = create_pytorch_dataloader(
        table, fields=[FieldSpec("id")], num_workers=2, prefetch_factor=3, persistent_workers=True
    )
    assert loader.prefetch_factor == 3
    assert sorted(row_ids(loader)) == list(range(150))
    with pytest.raises(TypeError, match="no_such_option"):
        create_pytorch_dataloader(table, no_such_option=1)


def test_a_worker_init_fn_runs_in_each_worker(table: Path, tmp_path: Path) -> None:
    def init(worker: int) -> None:
        (tmp_path / str(worker)).touch()

    loader = create_pytorch_dataloader(
        table, num_workers=2, worker_init_fn=init, multiprocessing_context="fork"
    )
    list(loader)
    assert (tmp_path / "0").exists()
    assert (tmp_path / "1").exists()


@pytest.mark.parametrize("form", ["text", "path", "file uri"])
def test_a_table_is_a_path_or_a_file_uri(table: Path, form: str) -> None:
    path = {"text": str(table), "path": table, "file uri": table.as_uri()}[form]
    loader = create_pytorch_dataloader(path, fields=[FieldSpec("id")])
    assert row_ids(loader) == base_ids(table)


def test_an_image_of_something_else_than_bytes_is_refused(table: Path) -> None:
    with pytest.raises(SchemaError, match="needs a binary column"):
        create_pytorch_dataloader(table, fields=[FieldSpec("id", load_image_using_pil=True)])
