from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deltastream.errors import OptionError
from deltastream.storage.cache import DiskCache, range_key
from deltastream.storage.store import Store
from deltastream.types import ByteRange

CAP = 10 * 4096


def held_nbytes(folder: Path) -> int:
    """What the files of a cache take of the disk, in blocks."""
    total = 0
    for part in ("items", "temporary"):
        for path in (folder / part).rglob("*"):
            try:
                if path.is_file():
                    total += -(-path.stat().st_size // 4096) * 4096
            except FileNotFoundError:
                pass
    return total


def item_of(folder: Path) -> Path:
    (path,) = [path for path in (folder / "items").rglob("*") if path.is_file()]
    return path


def put_all(cache: DiskCache, num_items: int) -> None:
    for number in range(num_items):
        cache.put(b"%d" % number, bytes(100_000))


def data_of(number: int) -> bytes:
    return struct.pack("<Q", number) * (100 + number * 37 % 2000)


class Machine(RuleBasedStateMachine):
    """Two caches over one folder, against a list of keys in the order of their last use."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.caches = [DiskCache(self.folder, CAP) for _ in range(2)]
        self.model: dict[int, int] = {}

    def _charge(self, number: int) -> int:
        return -(-(len(data_of(number)) + len(str(number)) + 40) // 4096) * 4096

    @rule(number=st.integers(0, 30), which=st.integers(0, 1))
    def put(self, number: int, which: int) -> None:
        self.caches[which].put(str(number).encode(), data_of(number))
        if number not in self.model:
            self.model[number] = self._charge(number)
            while sum(self.model.values()) > CAP:
                del self.model[next(iter(self.model))]

    @rule(number=st.integers(0, 30), which=st.integers(0, 1))
    def get(self, number: int, which: int) -> None:
        found = self.caches[which].get(str(number).encode())
        assert (found is None) == (number not in self.model)
        if found is not None:
            assert found == data_of(number)
            self.model[number] = self.model.pop(number)

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.caches[which] = DiskCache(self.folder, CAP)

    @invariant()
    def holds_what_it_should(self) -> None:
        assert held_nbytes(self.folder) == sum(self.model.values()) <= CAP
        # Times of use are the kernel's ticks, 4 ms apart.
        time.sleep(0.006)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "swap", "append"])
def test_a_damaged_item_is_a_miss_and_removed(tmp_path: Path, damage: str) -> None:
    cache = DiskCache(tmp_path, 1 << 20)
    cache.put(b"a", data_of(1))
    path = item_of(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[17] ^= 1
    elif damage == "truncate":
        del content[-1]
    elif damage == "empty":
        content.clear()
    elif damage == "append":
        content += b"x"
    elif damage == "swap":
        other = tmp_path / "other"
        DiskCache(other, 1 << 20).put(b"b", data_of(1))
        content = bytearray(item_of(other).read_bytes())
    path.write_bytes(content)
    assert cache.get(b"a") is None
    assert not path.exists()
    assert cache.statistics().num_damaged == 1
    cache.put(b"a", data_of(1))
    assert cache.get(b"a") == data_of(1)


def test_an_evicted_item_stays_readable_while_it_is_used(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, CAP)
    cache.put(b"a", data_of(1))
    found = cache.get(b"a")
    shutil.rmtree(tmp_path / "items")
    assert found == data_of(1)


def test_an_item_above_the_cap_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, CAP)
    cache.put(b"a", bytes(CAP))
    assert cache.get(b"a") is None
    assert cache.statistics().keeps


def test_a_lower_cap_holds_from_the_start(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, CAP)
    for number in range(8):
        cache.put(b"%d" % number, data_of(0))
    DiskCache(tmp_path, 4096 * 3)
    assert held_nbytes(tmp_path) == 4096 * 3


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OptionError, match="holds other files"):
        DiskCache(tmp_path, CAP)
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_of_another_format_is_emptied_and_its_owner_stops(tmp_path: Path) -> None:
    old = DiskCache(tmp_path, CAP)
    old.put(b"a", data_of(1))
    with (tmp_path / "deltastream-cache").open("r+b") as ledger:
        ledger.seek(16)
        ledger.write(struct.pack("<I", 99))
    with pytest.warns(RuntimeWarning, match="another version"):
        old.put(b"b", data_of(2))
    new = DiskCache(tmp_path, CAP)
    assert held_nbytes(tmp_path) == 0
    new.put(b"a", data_of(1))
    assert new.get(b"a") == data_of(1)


def test_what_a_machine_that_lost_power_left_is_counted_again(tmp_path: Path) -> None:
    DiskCache(tmp_path, CAP).put(b"a", data_of(1))
    with (tmp_path / "deltastream-cache").open("r+b") as ledger:
        ledger.seek(20)
        ledger.write(b"0" * 36 + bytes(8))
    DiskCache(tmp_path, CAP)
    header = (tmp_path / "deltastream-cache").read_bytes()
    assert struct.unpack("<Q", header[56:64])[0] == held_nbytes(tmp_path) == 4096


def test_a_full_disk_ends_the_keeping_with_one_warning(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        cache = DiskCache(disk / "cache", 1 << 30)
        cache.put(b"a", bytes(100_000))
        with pytest.warns(RuntimeWarning, match="keeps nothing more") as seen:
            put_all(cache, 10)
        assert len(seen) == 1
        assert not cache.statistics().keeps
        assert cache.get(b"a") == bytes(100_000)
        assert not list((disk / "cache" / "temporary").iterdir())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a disk needs root")
    try:
        DiskCache(disk / "cache", CAP).put(b"a", data_of(1))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.warns(RuntimeWarning, match="what it has is still read"):
            cache = DiskCache(disk / "cache", CAP)
        assert cache.get(b"a") == data_of(1)
        cache.put(b"b", data_of(2))
        assert cache.get(b"b") is None
        found = cache.statistics()
        assert (found.num_hits, found.num_misses, found.num_damaged) == (1, 1, 0)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_limit_on_the_size_of_files_ends_the_keeping_with_one_warning(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 1 << 30)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.warns(RuntimeWarning, match="keeps nothing more"):
            cache.put(b"a", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cache.get(b"a") is None
    assert held_nbytes(tmp_path) == 0


def test_a_folder_that_cannot_be_made_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="keeps nothing more"):
        cache = DiskCache(tmp_path / "file" / "cache", CAP)
    cache.put(b"a", b"1")
    assert cache.get(b"a") is None


@pytest.mark.parametrize("max_nbytes", [0, -1, True, 1.5])
def test_a_cap_is_a_positive_integer(tmp_path: Path, max_nbytes: int) -> None:
    with pytest.raises(OptionError, match="cache_nbytes"):
        DiskCache(tmp_path, max_nbytes)


def test_a_key_tells_everything_but_the_secrets() -> None:
    def key(store: Store, path: str = "t/a", size: int = 9, start: int = 0) -> bytes:
        return range_key(
            store, path, identity="t", object_nbytes=size, byte_range=ByteRange(start, 5)
        )

    secret = {"aws_secret_access_key": "s3cret", "aws_endpoint_url": "http://one"}
    store = Store("s3", "b", "t", "s3://b/t", secret)
    other = Store("s3", "b", "t", "s3://b/t", {**secret, "aws_endpoint_url": "http://two"})
    account = Store("az", "b", "t", "az://b/t", {"azure_storage_account_name": "one"})
    keys = [key(store), key(other), key(account), key(Store("s3", "c", "t", "s3://c/t", secret))]
    # fsspec's name of the folder is not part of what its servers call the object.
    keys += [
        key(Store("ftp", "", "ftp://u@one/t", "ftp://one/t")),
        key(Store("ftp", "", "ftp://two/t", "ftp://two/t")),
    ]
    keys += [key(store, "t/b"), key(store, size=10), key(store, start=1)]
    assert len(set(keys)) == len(keys)
    assert not any(b"s3cret" in found for found in keys)
    assert key(store) == key(Store("s3", "b", "", "s3://b", {**secret, "aws_session_token": "x"}))


WORKER = """
import random, struct, sys
from deltastream.storage.cache import DiskCache
cache = DiskCache(sys.argv[1], int(sys.argv[2]))
draw = random.Random(int(sys.argv[3]))
for _ in range(int(sys.argv[4])):
    number = draw.randrange(400)
    data = struct.pack("<Q", number) * (100 + number * 37 % 2000)
    found = cache.get(b"%d" % number)
    assert found is None or found == data, number
    if found is None:
        cache.put(b"%d" % number, data)
assert cache.statistics().keeps and cache.statistics().num_damaged == 0, cache
"""


def test_eight_processes_of_which_three_are_killed(tmp_path: Path, seed: int, stress: bool) -> None:
    """The cap is half of what they read."""
    folder = tmp_path / "cache"
    cap = sum(-(-(len(data_of(number)) + 43) // 4096) * 4096 for number in range(400)) // 2
    command = [sys.executable, "-W", "error", "-c", WORKER, str(folder), str(cap)]
    steps = "12000" if stress else "1500"
    draw = random.Random(seed)
    workers = [subprocess.Popen([*command, str(seed + n), steps]) for n in range(8)]
    doomed = workers[:3]
    try:
        while not (folder / "items").is_dir() or held_nbytes(folder) < cap // 4:
            assert any(worker.poll() is None for worker in workers)
            time.sleep(0.01)
        while any(worker.poll() is None for worker in workers):
            largest = 5 * 4096
            assert held_nbytes(folder) <= cap + 8 * largest
            time.sleep(draw.random() * 0.05)
            if doomed:
                os.kill(doomed.pop().pid, signal.SIGKILL)
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.wait() for worker in workers] == [-9] * 3 + [0] * 5
    with warnings.catch_warnings():
        DiskCache(folder, cap)
    assert not list((folder / "temporary").iterdir())
    assert held_nbytes(folder) <= cap


def test_what_was_wrong_is_replaced(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, CAP)
    cache.put(b"footer", b"flipped")
    cache.put(b"footer", b"whole")
    found = cache.get(b"footer")
    assert found is not None
    assert bytes(found) == b"flipped"
    cache.put(b"footer", b"whole", replaces=True)
    found = DiskCache(tmp_path, CAP).get(b"footer")
    assert found is not None
    assert bytes(found) == b"whole"
