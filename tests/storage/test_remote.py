from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from deltastream.engine.loop import run_in_loop
from deltastream.engine.pool import DecodePool
from deltastream.errors import ObjectChangedError, StorageError
from deltastream.log.snapshot import read_snapshot
from deltastream.storage import Buffer, Credentials, Storage, StorageAccess, open_storage
from deltastream.storage.policy import FaultPolicy
from deltastream.types import ByteRange
from tests.support.faults.proxy import FaultProxy, run_proxy
from tests.support.faults.settings import Fault, Rule, Settings
from tests.support.servers.store import ObjectStore

T = TypeVar("T")
CONTENT = bytes(range(256)) * 4096
IMPATIENT = FaultPolicy(max_attempts=4, give_up_s=10.0, stall_s=0.5, backoff_s=0.01)


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


@pytest.fixture
def memory() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    files.pipe("/box/table/log/0", b"abcdef")
    files.pipe("/box/table/log/1", b"xyz")
    files.pipe("/box/other", b"outside")
    yield "memory://box/table"
    files.rm("/box", recursive=True)


@pytest.fixture(scope="module")
def filled(s3: ObjectStore) -> ObjectStore:
    fsspec.filesystem("s3", **s3.fsspec_options).pipe(f"{s3.bucket}/faults/a b%c", CONTENT)
    return s3


@pytest.fixture
def proxy(filled: ObjectStore, tmp_path: Path) -> Iterator[FaultProxy]:
    with run_proxy(filled.port, tmp_path) as proxy:
        yield proxy


def ask(
    opening: Callable[[], Awaitable[Storage]], question: Callable[[Storage], Awaitable[T]]
) -> T:
    async def run() -> T:
        storage = await opening()
        try:
            return await question(storage)
        finally:
            await storage.aclose()

    return run_in_loop(run)


def test_objects_and_ranges_are_read(pool: DecodePool, memory: str) -> None:
    async def question(storage: Storage) -> list[bytes]:
        return [
            bytes(await storage.read("log/0")),
            bytes(await storage.read("log/0", ByteRange(2, 4), object_nbytes=6)),
            bytes(await storage.read("memory://box/other")),
            *map(bytes, await storage.read_all(["log/1", "log/0"])),
        ]

    found = ask(partial(open_storage, memory, None, pool=pool), question)
    assert found == [b"abcdef", b"cd", b"outside", b"xyz", b"abcdef"]


def test_a_folder_is_listed_after_a_name(pool: DecodePool, memory: str) -> None:
    storage = partial(open_storage, memory, None, pool=pool)
    found = ask(storage, lambda storage: storage.list("log", after="0"))
    assert [(info.path, info.nbytes) for info in found] == [("1", 3)]
    assert ask(storage, lambda storage: storage.info("log/1")) == found[0]


def test_what_is_missing_is_named(pool: DecodePool, memory: str) -> None:
    storage = partial(open_storage, memory, None, pool=pool)
    for question in (
        lambda storage: storage.read("log/2"),
        lambda storage: storage.info("log/2"),
        lambda storage: storage.list("log/2"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            ask(storage, question)
        assert "box/table/log/2" in caught.value.filename


def test_an_object_of_another_size_is_an_error(pool: DecodePool, memory: str) -> None:
    storage = partial(open_storage, memory, None, pool=pool)
    with pytest.raises(ObjectChangedError, match="has 6 bytes, and is to have 7"):
        ask(storage, lambda storage: storage.read("log/0", object_nbytes=7))
    with pytest.raises(ObjectChangedError, match="has 6 bytes, and those up to 9"):
        ask(storage, lambda storage: storage.read("log/0", ByteRange(4, 9)))


FAULTS = [
    Rule(Fault.STATUS, status=503, first=2),
    Rule(Fault.STATUS, status=500, first=2),
    Rule(Fault.RESET, first=2),
    Rule(Fault.TRUNCATE, first=2),
    Rule(Fault.STALL, first=2),
]


@pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: rule.name)
def test_faults_that_pass_give_the_right_bytes(
    pool: DecodePool, filled: ObjectStore, proxy: FaultProxy, rule: Rule
) -> None:
    proxy.set(Settings(rules=(rule,)))
    store = filled.via(proxy.port)
    storage = partial(
        open_storage,
        store.uri("faults"),
        StorageAccess(store.storage_options),
        pool=pool,
        policy=IMPATIENT,
    )
    part = ByteRange(1000, len(CONTENT) - 7)
    data = ask(storage, lambda storage: storage.read("a b%c", part, object_nbytes=len(CONTENT)))
    assert bytes(data) == CONTENT[part.start : part.stop]
    # What is asked again after a body broke is another range, which fails anew.
    assert sum(proxy.statistics().faults.values()) >= 2


@pytest.mark.parametrize("fault", [Fault.STATUS, Fault.NO_RESPONSE, Fault.SILENCE])
def test_a_fault_that_stays_names_the_object_and_the_attempts(
    pool: DecodePool, filled: ObjectStore, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.set(Settings(rules=(Rule(fault),)))
    store = filled.via(proxy.port)
    storage = partial(
        open_storage,
        store.uri("faults"),
        StorageAccess(store.storage_options),
        pool=pool,
        policy=IMPATIENT,
    )
    with pytest.raises(StorageError, match=r"faults/a b%c failed after 4 attempts in [0-5]\."):
        ask(storage, lambda storage: storage.read("a b%c"))


HASTY = FaultPolicy(
    give_up_s=1.5, stall_s=1.0, least_stall_s=1.0, slow_nbytes_per_s=200_000, backoff_s=0.01
)


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_an_object_of_unknown_size_has_the_time_of_its_size(
    pool: DecodePool, filled: ObjectStore, proxy: FaultProxy, transport: Any
) -> None:
    proxy.set(Settings(total_nbytes_s=500_000))
    store = filled.via(proxy.port)
    access = StorageAccess(store.storage_options, transport=transport)
    storage = partial(open_storage, store.uri("faults"), access, pool=pool, policy=HASTY)
    assert bytes(ask(storage, lambda storage: storage.read("a b%c"))) == CONTENT
    # Made once: no attempt was broken off.
    assert proxy.statistics().num_requests == 1


def test_requests_that_share_a_slow_line_come_in_the_end(
    pool: DecodePool, filled: ObjectStore, proxy: FaultProxy
) -> None:
    """Each has less than the slowest rate at which an attempt is waited for."""
    proxy.set(Settings(total_nbytes_s=1_500_000))
    store = filled.via(proxy.port)
    access = StorageAccess(store.storage_options, transport="fsspec")
    policy = FaultPolicy(give_up_s=3.0, stall_s=1.5, slow_nbytes_per_s=1_000_000)
    storage = partial(open_storage, store.uri("faults"), access, pool=pool, policy=policy)

    async def question(storage: Storage) -> list[Buffer]:
        return list(await storage.read_all(["a b%c"] * 8))

    assert all(bytes(found) == CONTENT for found in ask(storage, question))
    assert proxy.statistics().num_requests > 8


def test_credentials_that_take_their_time_take_none_of_the_requests(
    pool: DecodePool, filled: ObjectStore
) -> None:
    names = ("aws_access_key_id", "aws_secret_access_key")
    login = {name: filled.storage_options[name] for name in names}
    rest = {k: v for k, v in filled.storage_options.items() if k not in login}

    def give() -> Credentials:
        time.sleep(2.0)
        return Credentials(login)

    access = StorageAccess(rest, credentials=give)
    storage = partial(open_storage, filled.uri("faults"), access, pool=pool, policy=HASTY)
    assert bytes(ask(storage, lambda storage: storage.read("a b%c"))) == CONTENT


@pytest.mark.parametrize("status", [429, 503])
def test_a_store_that_asks_to_wait_longer_than_is_waited_is_given_up_with_these_times(
    pool: DecodePool, filled: ObjectStore, proxy: FaultProxy, status: int
) -> None:
    proxy.set(Settings(rules=(Rule(Fault.STATUS, status=status, retry_after_s=60),)))
    store = filled.via(proxy.port)
    storage = partial(
        open_storage,
        store.uri("faults"),
        StorageAccess(store.storage_options, transport="fsspec"),
        pool=pool,
        policy=IMPATIENT,
    )
    told = rf"a b%c failed after 1 attempt in .*{status}.*asks to wait 60 s, and 10 s without a byte are the most"
    with pytest.raises(StorageError, match=told):
        ask(storage, lambda storage: storage.read("a b%c"))


def test_a_log_is_read_from_s3(pool: DecodePool, s3: ObjectStore) -> None:
    for number in range(12):
        write_deltalake(
            s3.uri("log-table"),
            pa.table({"x": [number]}),
            mode="append",
            storage_options=dict(s3.storage_options),
        )
    storage = partial(
        open_storage, s3.uri("log-table"), StorageAccess(s3.storage_options), pool=pool
    )
    snapshot = ask(storage, lambda storage: read_snapshot(storage, pool=pool))
    assert snapshot.version == 11
    assert len(snapshot.files) == 12
