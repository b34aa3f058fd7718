"""Owns what the ranks of a job share: work that rank 0 does once, and whose result the others get."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import torch.distributed as dist

import deltastream.errors
from deltastream.dataset.topology import resolve_ranks
from deltastream.errors import DeltaStreamError, OptionError
from deltastream.options import JOB_STORE_TIMEOUT_S

if TYPE_CHECKING:
    # Builds of torch without distributed lack its stores, and need none.
    from torch.distributed.distributed_c10d import Store

__all__ = ["JobStore", "find_job_store"]

_RESULT, _FAILURE = b"+", b"-"
_MAX_DELAY_S = 0.05
_CONNECT_TIMEOUT_S = 60.0


class JobStore:
    """A key-value store that all ranks of a job reach: no collective, so the training's process group stays untouched.

    The first value of a key stays: ranks that were started again, and several processes that are all rank 0, agree too.
    """

    def __init__(self, store: Store, *, rank: int) -> None:
        """Share through `store` as rank `rank`."""
        from torch.distributed.distributed_c10d import PrefixStore

        # torchrun's agents keep their store when they start the workers again.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._store = PrefixStore(f"deltastream/{attempt}", store)
        self._rank = rank

    def __repr__(self) -> str:
        return f"<JobStore of rank {self._rank}>"

    @property
    def is_first(self) -> bool:
        """Whether this rank is the one that does the work."""
        return self._rank == 0

    def find(self, key: str) -> bytes | None:
        """Return what was published; None: nothing yet.

        Raises:
            DeltaStreamError: Rank 0 failed.
        """
        return _open(self._store.get(key)) if self._store.check([key]) else None

    def publish(self, key: str, value: bytes) -> bytes:
        """Give `value` to the other ranks, unless there is one already, and return the one that counts.

        Raises:
            DeltaStreamError: What counts is a failure.
        """
        return _open(self._set_first(key, _RESULT + value))

    def publish_failure(self, key: str, error: Exception) -> None:
        """Let the other ranks fail as this one did."""
        failure = json.dumps({"class": type(error).__name__, "message": str(error)})
        self._set_first(key, _FAILURE + failure.encode())

    def wait(self, key: str, *, timeout_s: float = JOB_STORE_TIMEOUT_S) -> bytes:
        """Wait for what rank 0 publishes.

        Raises:
            OptionError: It did not in time.
            DeltaStreamError: It failed.
        """
        deadline = time.monotonic() + timeout_s
        delay_s = 0.001
        # The store's own wait ignores Ctrl-C, keeps other threads from the store, and writes to stderr.
        while not self._store.check([key]):
            if time.monotonic() > deadline:
                raise OptionError(
                    f"rank {self._rank} waited {timeout_s:g} s for rank 0 to share {key}, in vain: all ranks must make "
                    "the same loaders in the same order. A loader that only some of them make needs its version=, and "
                    "rank and num_ranks of its own"
                )
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, _MAX_DELAY_S)
        return _open(self._store.get(key))

    def _set_first(self, key: str, value: bytes) -> bytes:
        # Its stub says text, which it would encode.
        return self._store.compare_set(key, "", value)  # type: ignore[arg-type]


def find_job_store(rank: int, num_ranks: int) -> JobStore | None:
    """Return the store of the job that this process belongs to as rank `rank` of `num_ranks`; None: there is none.

    That of torch.distributed if it is initialised, else a client of the one that torchrun's agent serves. Several
    processes may be one rank, as in tensor parallel groups.

    Raises:
        OptionError: The agent's store cannot be reached.
    """
    _, world_size = resolve_ranks(None, None)
    if num_ranks == 1 or world_size % num_ranks:
        return None
    if dist.is_available() and dist.is_initialized():
        # There is no public name for it; torch's own libraries use this one.
        return JobStore(dist.distributed_c10d._get_default_store(), rank=rank)
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        # Without an agent rank 0 serves the store, from `init_process_group` on.
        return None
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=_CONNECT_TIMEOUT_S))
    except dist.DistError as error:
        raise OptionError(
            f"torchrun's store at {host}:{port} (MASTER_ADDR, MASTER_PORT) cannot be reached: {error}"
        ) from error
    return JobStore(store, rank=rank)


def _open(stored: bytes) -> bytes:
    kind, value = stored[:1], stored[1:]
    if kind == _RESULT:
        return value
    failure = json.loads(value)
    found = getattr(deltastream.errors, failure["class"], DeltaStreamError)
    raise found(f"on rank 0: {failure['message']}")
