"""A disk cache under a store: later epochs ask for nothing, whoever is killed, and never a byte is another."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties, write_deltalake

import deltastream
from deltastream import DeltaDataset, FieldSpec
from deltastream.options import REQUEST_NBYTES
from tests.support.checksums import write_with_checksums
from tests.support.faults.proxy import FaultProxy, run_proxy
from tests.support.loaders import batch_ids
from tests.support.logs import LogFolder, add, metadata, protocol
from tests.support.servers.access import Access
from tests.support.servers.store import ObjectStore
from tests.support.tables import data_files
from tests.support.vectors import numbered_files, write_files_with_vectors

NUM_ROWS = 40_000
ITEM_NBYTES = 400_000
"""No range of the table is longer, with all that an item takes besides."""

READER = """
import hashlib, json, sys
import deltastream
uri, options, num_epochs = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
loader = deltastream.create_pytorch_dataloader(uri, shuffle=True, batch_size=500, lanes=2, **options)
for _ in range(num_epochs):
    digest = hashlib.sha256()
    for batch in loader:
        for name in sorted(batch):
            digest.update(batch[name].numpy().tobytes())
    print(digest.hexdigest(), flush=True)
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cached") / "table"
    return write_with_checksums(root, [NUM_ROWS // 4] * 4, row_group_rows=2_500)


@pytest.fixture
def proxy(s3: ObjectStore, tmp_path: Path) -> Iterator[FaultProxy]:
    with run_proxy(s3.port, tmp_path / "proxy") as proxy:
        yield proxy


def through(s3: ObjectStore, proxy: FaultProxy, folder: Path) -> dict[str, Any]:
    return {**Access(s3).via(proxy.port).options, "cache_dir": str(folder)}


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_the_second_epoch_asks_the_store_for_nothing(
    s3: ObjectStore, table: Path, proxy: FaultProxy, tmp_path: Path, transport: str
) -> None:
    options = {**through(s3, proxy, tmp_path / "cache"), "transport": transport}
    dataset = DeltaDataset(Access(s3).put(table), shuffle=True, lanes=2, **options)
    local = DeltaDataset(table, shuffle=True, lanes=2)
    assert batch_ids(dataset) == batch_ids(local)
    before = proxy.statistics().num_requests
    batches = iter(dataset)
    rows = [batch["id"].tolist() for batch in batches]
    statistics = dataset.statistics()
    assert rows == batch_ids(local)
    assert proxy.statistics().num_requests == before
    assert statistics.cache is not None
    assert statistics.cache.num_hits == statistics.fetch.num_requests >= 4
    assert statistics.cache.num_misses == 0


def test_row_groups_that_meet_others_in_every_epoch_are_known(
    s3: ObjectStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    # Small ones: several are decoded, and without a cache fetched, together.
    root = write_with_checksums(tmp_path / "table", [20_000] * 2, row_group_rows=250)
    options = through(s3, proxy, tmp_path / "cache")
    uri = Access(s3).put(root)
    in_order = DeltaDataset(uri, decode_threads=1, **options)
    assert batch_ids(in_order) == batch_ids(DeltaDataset(root))
    before = proxy.statistics().num_requests
    for seed, decode_threads in ((0, 1), (1, 3)):
        settings: dict[str, Any] = {"shuffle": True, "seed": seed, "lanes": 2}
        dataset = DeltaDataset(uri, decode_threads=decode_threads, **settings, **options)
        num_opening = proxy.statistics().num_requests - before
        assert batch_ids(dataset) == batch_ids(DeltaDataset(root, **settings))
        assert proxy.statistics().num_requests == before + num_opening
        before += num_opening


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_a_long_row_group_is_asked_for_in_pieces_and_kept_as_one(
    s3: ObjectStore, proxy: FaultProxy, tmp_path: Path, transport: Any
) -> None:
    numbers = np.random.default_rng(7).random(250_000)
    rows = pa.table({f"c{i}": np.roll(numbers, i) for i in range(10)})
    root = tmp_path / "table"
    write_deltalake(root, rows, writer_properties=WriterProperties(max_row_group_size=len(rows)))
    (file,) = data_files(root)
    assert 2 * REQUEST_NBYTES < file.stat().st_size < 3 * REQUEST_NBYTES
    options = {**through(s3, proxy, tmp_path / "cache"), "transport": transport}
    uri = Access(s3).put(root)
    num_requests = [0]
    for _ in range(2):
        assert deltastream.read_arrow(uri, **options).equals(rows)
        num_requests.append(proxy.statistics().num_requests)
    first, again = np.diff(num_requests)
    # The footer, and thrice a third of the row group.
    assert first == again + 4
    items = [path.stat().st_size for path in (tmp_path / "cache" / "items").glob("*/*")]
    assert len(items) == 2
    assert max(items) > 2 * REQUEST_NBYTES


def test_deletion_vectors_are_kept_too(s3: ObjectStore, proxy: FaultProxy, tmp_path: Path) -> None:
    files = numbered_files([200, 300], [range(0, 100, 7), None])
    root = write_files_with_vectors(tmp_path / "table", files)
    dataset = DeltaDataset(Access(s3).put(root), **through(s3, proxy, tmp_path / "cache"))
    first = batch_ids(dataset)
    before = proxy.statistics().num_requests
    assert batch_ids(dataset) == first == batch_ids(DeltaDataset(root))
    assert proxy.statistics().num_requests == before


def test_a_local_table_is_not_kept(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert batch_ids(DeltaDataset(table, cache_dir=folder))
    assert not folder.exists()


def test_a_table_made_anew_in_the_place_of_another_is_not_taken_for_it(
    s3: ObjectStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    options = through(s3, proxy, tmp_path / "cache")
    sizes = set()
    for table_id, factor in (("one", 1), ("two", 3)):
        rows = pa.table({"id": np.arange(1000) * factor})
        log = LogFolder(tmp_path / table_id)
        path = log.root / "part-0.parquet"
        pq.write_table(rows, path, compression="none", use_dictionary=False)
        sizes.add(path.stat().st_size)
        stats = json.dumps({"numRecords": 1000})
        data = add(path.name, size=path.stat().st_size, stats=stats)
        log.commit(0, protocol(), metadata({"id": "long"}, table_id=table_id), data)
        s3._put(log.root, "cached/anew")
        assert deltastream.read_arrow(s3.uri("cached/anew"), **options)["id"].equals(rows["id"])
    assert len(sizes) == 1


def test_a_folder_that_cannot_be_written_is_warned_of_once_and_done_without(
    s3: ObjectStore, table: Path, proxy: FaultProxy, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    options = through(s3, proxy, tmp_path / "file" / "cache")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = DeltaDataset(Access(s3).put(table), [FieldSpec("id")], **options)
        assert len(batch_ids(dataset)) == len(dataset) == len(batch_ids(dataset))
    told = [str(one.message) for one in caught if "keeps nothing more" in str(one.message)]
    assert len(told) == 1


@pytest.mark.timeout(300)
def test_eight_processes_share_it_and_three_are_killed(
    s3: ObjectStore, table: Path, proxy: FaultProxy, tmp_path: Path, stress: bool
) -> None:
    uri, folder = Access(s3).put(table), tmp_path / "cache"
    nbytes = sum(path.stat().st_size for path in table.glob("*.parquet"))
    cap = nbytes // 2
    options = {**through(s3, proxy, folder), "cache_nbytes": cap}
    num_epochs = 12 if stress else 4
    expected = run_reader(str(table), {}, num_epochs)
    arguments = [uri, json.dumps(options), str(num_epochs)]
    readers = [start_reader(arguments) for _ in range(8)]
    dice = random.Random(int(os.environ.get("DELTASTREAM_SEED", "0")))
    killed = dice.sample(readers, 3)
    most = 0
    for reader in killed:
        pause_s = dice.uniform(2.0, 4.0)
        end_s = time.monotonic() + pause_s
        while time.monotonic() < end_s:
            most = max(most, folder_nbytes(folder))
            time.sleep(0.01)
        reader.send_signal(signal.SIGKILL)
    while any(reader.poll() is None for reader in readers):
        most = max(most, folder_nbytes(folder))
        time.sleep(0.01)
    for reader in readers:
        out, err = reader.communicate()
        if reader in killed:
            assert expected[: len(out.split())] == out.split()
        else:
            assert (reader.returncode, err, out.split()) == (0, "", expected)
    assert cap // 2 < most <= cap + len(readers) * ITEM_NBYTES
    # Whoever comes next removes what the dead were writing.
    assert run_reader(uri, options, 1) == expected[:1]
    assert not list((folder / "temporary").iterdir())
    assert folder_nbytes(folder) <= cap


def start_reader(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_reader(uri: str, options: dict[str, Any], num_epochs: int) -> list[str]:
    reader = start_reader([uri, json.dumps(options), str(num_epochs)])
    out, err = reader.communicate()
    assert (reader.returncode, err) == (0, "")
    return out.split()


def folder_nbytes(folder: Path) -> int:
    """Bytes of items on the disk; those that come and go meanwhile count or do not."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names if place != str(folder) else ():
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
