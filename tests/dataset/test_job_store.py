"""The store of a job: what rank 0 makes reaches the others, its failures too."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from deltastream import FileMissingError, OptionError
from deltastream.dataset.job_store import JobStore, find_job_store


@pytest.fixture
def ranks() -> list[JobStore]:
    store = dist.HashStore()
    return [JobStore(store, rank=rank) for rank in range(3)]


def test_what_rank_0_publishes_reaches_the_others_whether_they_wait_or_come_later(
    ranks: list[JobStore],
) -> None:
    value = bytes(range(256))
    assert ranks[0].find("key") is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ranks[1].wait, "key")
        assert ranks[0].publish("key", value) == value
        assert waiting.result(timeout=10) == value
    assert ranks[2].wait("key") == ranks[0].find("key") == value


def test_a_failure_of_rank_0_is_raised_everywhere_by_its_class(ranks: list[JobStore]) -> None:
    ranks[0].publish_failure("key", FileMissingError("part-1 is gone"))
    for rank in ranks[1:]:
        with pytest.raises(FileMissingError, match=r"^on rank 0: part-1 is gone"):
            rank.wait("key")


def test_of_several_processes_that_are_rank_0_the_first_decides(ranks: list[JobStore]) -> None:
    assert ranks[0].publish("key", b"first") == b"first"
    assert ranks[0].publish("key", b"second") == b"first"
    ranks[0].publish_failure("key", ValueError("late"))
    assert ranks[1].wait("key") == b"first"


def test_a_rank_does_not_wait_for_ever(ranks: list[JobStore]) -> None:
    with pytest.raises(OptionError, match=r"rank 1 waited 0\.01 s for rank 0 to share key"):
        ranks[1].wait("key", timeout_s=0.01)


def test_the_job_of_an_agent_without_a_store_to_reach_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr("deltastream.dataset.job_store._CONNECT_TIMEOUT_S", 0.5)
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=f"torchrun's store at 127.0.0.1:{port} .* cannot be"):
        find_job_store(1, 2)
    # Ranks that the job's processes cannot be, and a single one, have no use for it.
    assert find_job_store(1, 3) is None
    assert find_job_store(0, 1) is None
