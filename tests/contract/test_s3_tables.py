"""Tables on a real S3 server: the same rows in the same order as of their copies on a local disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader, read_arrow
from tests.support.faults.proxy import run_proxy
from tests.support.faults.settings import Fault, Rule, Settings
from tests.support.loaders import row_ids
from tests.support.servers.store import ObjectStore
from tests.support.vectors import numbered_files, write_files_with_vectors

SIZES = [300, 10, 200, 64]
DELETED = [[0, 5, 63, 64, 299], None, list(range(64, 128)), []]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("s3") / "t"
    return write_files_with_vectors(root, numbered_files(SIZES, DELETED))


@pytest.fixture(scope="module")
def uri(table: Path, s3: ObjectStore) -> str:
    return s3.upload(table, "s3-tables/t")


@pytest.mark.parametrize("condition", [None, "id > 7 and id < 410"])
def test_rows_and_batches_are_those_of_the_local_copy(
    table: Path, uri: str, s3: ObjectStore, condition: str | None
) -> None:
    options = dict(s3.storage_options)
    found = read_arrow(uri, filter=condition, storage_options=options)
    assert found.equals(read_arrow(table, filter=condition))
    settings: dict[str, Any] = {"batch_size": 7, "shuffle": True, "filter": condition, "seed": 3}
    remote = DeltaDataset(uri, [FieldSpec("id")], storage_options=options, **settings)
    local = DeltaDataset(table, [FieldSpec("id")], **settings)
    assert [row_ids(remote), row_ids(remote)] == [row_ids(local), row_ids(local)]


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_workers_read_the_same_order(table: Path, uri: str, s3: ObjectStore, context: str) -> None:
    settings: dict[str, Any] = {"batch_size": 7, "shuffle": True, "lanes": 4}
    remote = create_pytorch_dataloader(
        uri,
        fields=[FieldSpec("id")],
        num_workers=2,
        multiprocessing_context=context,
        storage_options=dict(s3.storage_options),
        **settings,
    )
    local = create_pytorch_dataloader(str(table), fields=[FieldSpec("id")], **settings)
    assert row_ids(remote) == row_ids(local)


def test_faults_of_the_store_change_nothing(
    table: Path, uri: str, s3: ObjectStore, tmp_path: Path
) -> None:
    local = DeltaDataset(table, [FieldSpec("id")], batch_size=7, shuffle=True)
    expected = [row_ids(local) for _ in range(3)]
    with run_proxy(s3.port, tmp_path) as proxy:
        faults = (Fault.STATUS, Fault.NO_RESPONSE, Fault.RESET, Fault.TRUNCATE)
        proxy.set(Settings(rules=tuple(Rule(fault, probability=0.05) for fault in faults)))
        options = dict(s3.via(proxy.port).storage_options)
        remote = DeltaDataset(
            uri, [FieldSpec("id")], batch_size=7, shuffle=True, storage_options=options
        )
        assert [row_ids(remote) for _ in range(3)] == expected
        assert sum(proxy.statistics().faults.values()) > 0
