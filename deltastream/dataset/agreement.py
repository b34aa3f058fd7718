"""Owns the agreement of a job's ranks on the version that each of their loaders reads."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from deltastream.dataset.job_store import find_job_store
from deltastream.errors import DeltaStreamError, OptionError
from deltastream.pipeline import RowsRequest
from deltastream.types import Snapshot

__all__ = ["plan_agreed"]

T = TypeVar("T")

_numbers = itertools.count()
"""Numbers this process's loaders whose version is agreed on: all ranks make the same ones in the same order."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What rank 0 found."""

    table_uri: str
    table_id: str
    version: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Version:
        return cls(snapshot.table_uri, snapshot.table_id, snapshot.version)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class _OtherVersionError(Exception):
    """Another process of rank 0 was first."""

    def __init__(self, version: _Version) -> None:
        super().__init__(version)
        self.version = version


def plan_agreed(
    request: RowsRequest,
    plan: Callable[[RowsRequest], T],
    *,
    rank: int,
    num_ranks: int,
) -> T:
    """Return `plan(request)`, with the version that rank 0 finds where the request names none. Blocks.

    Args:
        request: What is read.
        plan: Reads the log, and calls the request's `on_snapshot`.
        rank: Which rank this is. Where the job has no store that all reach, each finds the version by itself, with a
            warning.
        num_ranks: How many ranks read together.

    Raises:
        OptionError: Rank 0 did not make its loader in time, or made one of another table.
        TableError: Rank 0 could not read the log, or this rank cannot read its version.
    """
    if num_ranks == 1 or request.version is not None:
        return plan(request)
    store = find_job_store(rank, num_ranks)
    if store is None:
        warnings.warn(
            f"{num_ranks} ranks without a store in common: each finds the latest version by itself, and they read "
            "different rows if the table is being written to. Make the loader after init_process_group, or give "
            "version=",
            stacklevel=4,
        )
        return plan(request)
    key = f"version/{next(_numbers)}"
    if not store.is_first:
        return _plan_as(_load(store.wait(key)), request, plan)

    def publish(snapshot: Snapshot) -> None:
        found = _Version.of(snapshot)
        agreed = _load(store.publish(key, found.to_bytes()))
        if agreed != found:
            raise _OtherVersionError(agreed)

    try:
        return plan(replace(request, on_snapshot=publish))
    except _OtherVersionError as other:
        agreed = other.version
    except Exception as error:
        # Too late if the version was found: then the others find the error themselves.
        store.publish_failure(key, error)
        raise
    return _plan_as(agreed, request, plan)


def _plan_as(agreed: _Version, request: RowsRequest, plan: Callable[[RowsRequest], T]) -> T:
    def compare(snapshot: Snapshot) -> None:
        if snapshot.table_id != agreed.table_id:
            raise OptionError(
                f"this rank makes a loader of {snapshot.table_uri} where rank 0 made one of {agreed.table_uri}, "
                "another table: all ranks must make the same loaders in the same order. A loader that only some of "
                "them make needs its version="
            )

    wanted = replace(request, version=agreed.version, timestamp=None, on_snapshot=compare)
    try:
        return plan(wanted)
    except DeltaStreamError as error:
        error.add_note(f"Rank 0 found version {agreed.version} of {agreed.table_uri}.")
        raise


def _load(data: bytes) -> _Version:
    return _Version(**json.loads(data))
