"""Owns the identity of a file in the log: its decoded path and its deletion vector's unique id."""

from __future__ import annotations

from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from deltastream.log.deletion_vectors import unique_ids
from deltastream.storage.uri import is_uri

__all__ = ["decode_path", "decode_paths", "file_keys", "paths_of"]

# A NUL stands in no path, so a key never equals another file's path.
_SEPARATOR = "\0"


def decode_path(path: str) -> str:
    """Decode a path of the log once; a ``file:`` URI becomes the absolute path that it names.

    Delta PROTOCOL.md, "Add File and Remove File": a path is a URI, percent-encoded. Writers mix ``file:/x``,
    ``file:///x`` and ``/x`` for one file, so only the plain path can be compared.

    Raises:
        ValueError: No file can have this path.
    """
    if path.startswith("file:/"):
        rest = path.removeprefix("file:")
        host, slash, absolute = rest.removeprefix("//").partition("/")
        if not rest.startswith("//"):
            path = rest
        elif slash and host in ("", "localhost"):
            path = f"/{absolute}"
    if "%" in path:
        path, encoded = unquote(path, errors="strict"), path
        if is_uri(path) and not is_uri(encoded):
            raise ValueError(f"the path {encoded!r} is decoded to what reads as a URI")
    if _SEPARATOR in path:
        raise ValueError(f"the path {path!r} has a NUL, which no file's name has")
    return path


def decode_paths(paths: pa.Array) -> pa.Array:
    """`decode_path` over a string array; one without escapes and URIs is returned as it is."""
    data = paths.buffers()[2]
    text = b"" if data is None else data.to_pybytes()
    # Most tables have none of them: searches of the bytes cost a tenth of string kernels.
    if b"%" not in text and b"file:/" not in text and _SEPARATOR.encode() not in text:
        return paths
    encoded = pc.or_(pc.match_substring(paths, "%"), pc.starts_with(paths, "file:/"))
    encoded = pc.or_(encoded, pc.match_substring(paths, _SEPARATOR))
    decoded = [decode_path(path) for path in paths.filter(encoded).to_pylist()]
    return pc.replace_with_mask(paths, encoded, pa.array(decoded, pa.string()))


def file_keys(paths: pa.ChunkedArray, deletion_vectors: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what identifies each file: equal keys are one file of the table.

    Delta PROTOCOL.md, "Action Reconciliation": files are keyed by (path, deletionVector.uniqueId).
    """
    if deletion_vectors.null_count == len(deletion_vectors):
        return paths
    with_vector = pc.binary_join_element_wise(paths, unique_ids(deletion_vectors), _SEPARATOR)
    return pc.coalesce(with_vector, paths)


def paths_of(keys: pa.Array) -> pa.Array:
    """Return the paths in the keys that `file_keys` made."""
    return pc.list_element(pc.split_pattern(keys, _SEPARATOR, max_splits=1), 0)
