"""Owns the parsing of commits: JSON actions into columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from deltastream.errors import LogCorruptError
from deltastream.log.actions import ADDS, Metadata, Protocol, parse_metadata, parse_protocol
from deltastream.log.checkpoint_file import CheckpointHead
from deltastream.log.deletion_vectors import descriptors_from_json
from deltastream.log.paths import decode_path, file_keys
from deltastream.log.statistics import num_records

__all__ = ["Commit", "CommitFile", "iterate_actions", "parse_commits", "parse_json_checkpoint"]

_MALFORMED = (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError, OverflowError)
_BLANK = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class CommitFile:
    """The bytes of a commit; `source` names it in errors."""

    version: int
    data: bytes
    source: str


@dataclass(slots=True)
class _Actions:
    """The actions of one commit that replay keeps."""

    adds: list[dict[str, Any]] = field(default_factory=list)
    removes: list[dict[str, Any]] = field(default_factory=list)
    protocol: Protocol | None = None
    metadata: Metadata | None = None
    # Delta PROTOCOL.md, "V2 Spec": in checkpoints only.
    checkpoints: list[Any] = field(default_factory=list)
    sidecars: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit does to the files and the metadata of the table."""

    version: int
    protocol: Protocol | None
    """None where the commit leaves it as it was; so for `metadata`."""
    metadata: Metadata | None
    adds: pa.Table
    """Columns of `ADDS`, in the order of the commit."""
    added: pa.ChunkedArray
    """The key of each add."""
    removed: pa.ChunkedArray
    """The keys of the removes."""


def parse_commits(files: Sequence[CommitFile], *, keep_statistics: bool = False) -> list[Commit]:
    """Parse commit files, together: columns are made once, and each commit has its part of them.

    Args:
        keep_statistics: Whether the column ``stats`` is filled.

    Raises:
        LogCorruptError: A commit is empty, cut off, no JSON, or an action lacks what the protocol asks for.
    """
    actions = [_read_actions(file) for file in files]
    try:
        adds = _add_columns(
            [add for one in actions for add in one.adds], keep_statistics=keep_statistics
        )
        removed = file_keys(*_identities([remove for one in actions for remove in one.removes]))
    except _MALFORMED as error:
        if len(files) > 1:
            # One of them is damaged: say which.
            each = [parse_commits([file], keep_statistics=keep_statistics) for file in files]
            return [commit for (commit,) in each]
        raise _malformed(files[0], error) from error
    added = file_keys(adds.column("path"), adds.column("deletion_vector"))
    commits = []
    first_add = first_remove = 0
    for file, one in zip(files, actions, strict=True):
        num_adds, num_removes = len(one.adds), len(one.removes)
        commits.append(
            Commit(
                file.version,
                one.protocol,
                one.metadata,
                adds.slice(first_add, num_adds),
                added.slice(first_add, num_adds),
                removed.slice(first_remove, num_removes),
            )
        )
        first_add += num_adds
        first_remove += num_removes
    return commits


def parse_json_checkpoint(file: CommitFile) -> tuple[CheckpointHead, pa.Table]:
    """Parse a V2 checkpoint in JSON: its head, and the adds that are in the file itself.

    Raises:
        LogCorruptError: As of `parse_commits`.
    """
    actions = _read_actions(file)
    try:
        head = CheckpointHead(
            actions.protocol,
            actions.metadata,
            tuple(action["version"] for action in actions.checkpoints),
            tuple(action["path"] for action in actions.sidecars),
        )
        return head, _add_columns(actions.adds, keep_statistics=True)
    except _MALFORMED as error:
        raise _malformed(file, error) from error


def _malformed(file: CommitFile, error: Exception) -> LogCorruptError:
    return LogCorruptError(f"{file.source}: an action is not as the protocol says: {error!r}")


def _read_actions(file: CommitFile) -> _Actions:
    found = _Actions()
    for action in iterate_actions(file.data, source=file.source):
        for name, content in action.items():
            if content is None:
                continue
            if name == "add":
                found.adds.append(content)
            elif name == "remove":
                found.removes.append(content)
            elif name == "protocol":
                found.protocol = parse_protocol(content, source=file.source)
            elif name == "metaData":
                found.metadata = parse_metadata(content, source=file.source)
            elif name == "checkpointMetadata":
                found.checkpoints.append(content)
            elif name == "sidecar":
                found.sidecars.append(content)
    return found


def iterate_actions(data: bytes, *, source: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a commit: one a line, or spread over several lines.

    Raises:
        LogCorruptError: There is no object, or something that is not one; after the objects before it.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise LogCorruptError(f"{source} is no UTF-8: {error}") from error
    decoder = json.JSONDecoder()
    position = _skip_blank(text, 0)
    if position == len(text):
        raise LogCorruptError(f"{source} is empty: a commit that was never written whole")
    while position < len(text):
        try:
            action, stop = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise LogCorruptError(
                f"{source} is cut off or damaged at character {position} of {len(text)}: {error}"
            ) from error
        if not isinstance(action, dict):
            raise LogCorruptError(
                f"{source}: expected a JSON object at character {position}, found {str(action)[:40]!r}"
            )
        yield action
        position = _skip_blank(text, stop)


def _skip_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()


def _add_columns(adds: list[dict[str, Any]], *, keep_statistics: bool) -> pa.Table:
    paths, deletion_vectors = _identities(adds)
    texts = pa.array([add.get("stats") for add in adds], pa.string())
    # Some writers leave partitionValues out where there are none.
    partition_values = [list((add.get("partitionValues") or {}).items()) for add in adds]
    return pa.Table.from_arrays(
        [
            paths,
            pa.array([_integer(add["size"]) for add in adds], pa.int64()),
            pa.array([_integer(add["modificationTime"]) for add in adds], pa.int64()),
            num_records(texts, None, len(adds)),
            deletion_vectors,
            texts if keep_statistics else pa.nulls(len(adds), pa.string()),
            pa.array(partition_values, ADDS.field("partition_values").type),
        ],
        schema=ADDS,
    )


def _identities(actions: list[dict[str, Any]]) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    paths = [decode_path(action["path"]) for action in actions]
    vectors = descriptors_from_json([action.get("deletionVector") for action in actions])
    return pa.chunked_array([pa.array(paths, pa.string())]), pa.chunked_array([vectors])


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected an integer, found {value!r}")
    return value
