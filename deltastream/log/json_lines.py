"""Owns the reading of many JSON objects at once, with Arrow's reader."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

__all__ = ["read_objects"]

_MAX_BLOCK_NBYTES = 2**31 - 1


def read_objects(texts: pa.Array, schema: pa.Schema) -> pa.Table | None:
    """Return one row for each text, of the members that `schema` names; None where Arrow's reader does not take them.

    Texts that begin with "{" and end with "}", a line feed after each, give a row each. No object can reach into the
    next text: its strings cannot hold the line feed, and elsewhere "}", line feed, "{" is no JSON. So a text gives one
    object or more, and where the number of rows agrees, exactly one.

    Args:
        texts: Strings, none of them null.
    """
    is_object = pc.and_(pc.starts_with(texts, "{"), pc.ends_with(texts, "}"))
    lines = pc.binary_join_element_wise(texts, "", "\n")
    data = lines.buffers()[2]
    if not pc.all(is_object).as_py() or data is None or data.size > _MAX_BLOCK_NBYTES:
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(data),
            read_options=pj.ReadOptions(use_threads=False, block_size=data.size),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowException:
        return None
    return table if table.num_rows == len(texts) else None
