from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deltastream.errors import LogCorruptError
from deltastream.types import FIELD_ID, PHYSICAL_NAME, VARIANT_PART
from tests.support.logs import Action, LogFolder, add, metadata, protocol, read

MODE = "delta.columnMapping.mode"
NAME, ID = PHYSICAL_NAME.decode(), FIELD_ID.decode()


def field(name: str, type_: Any, number: int, **metadata: Any) -> dict[str, Any]:
    mapping = {NAME: f"col-{number}", ID: number}
    return {"name": name, "type": type_, "nullable": True, "metadata": mapping | metadata}


def struct(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "struct", "fields": list(fields)}


def array(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


def map_of(key: Any, value: Any) -> dict[str, Any]:
    return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}


def mapped(mode: str | None, *fields: dict[str, Any], **options: Any) -> Action:
    configuration = {} if mode is None else {MODE: mode}
    return metadata(columns=fields, configuration=configuration, **options)


def mapping(field: pa.Field) -> tuple[bytes, bytes]:
    return field.metadata[PHYSICAL_NAME], field.metadata[FIELD_ID]


@pytest.mark.parametrize("mode", ["name", "id", "NAME"])
@pytest.mark.parametrize("action", [protocol(2), protocol(3, ["columnMapping"])])
def test_every_field_of_every_struct_says_its_physical_name_and_its_id(
    tmp_path: Path, mode: str, action: Action
) -> None:
    inner = struct(field("c", "long", 3), field("v", "variant", 4))
    columns = [
        field("a", array(map_of(struct(field("k", "long", 6)), inner)), 1),
        field("s", struct(field("x", array("long"), 5)), 2),
    ]
    LogFolder(tmp_path).commit(0, action, mapped(mode, *columns))
    snapshot = read(tmp_path)
    assert snapshot.column_mapping == mode.lower()
    a, s = snapshot.schema
    key, value = a.type.value_type.key_type, a.type.value_type.item_type
    found = [a, s, value.field("c"), value.field("v"), s.type.field("x"), key.field("k")]
    assert [mapping(one) for one in found] == [
        (f"col-{i}".encode(), str(i).encode()) for i in range(1, 7)
    ]
    # Neither is a column: they are how a variant is stored.
    assert [one.metadata for one in value.field("v").type] == [{VARIANT_PART: b""}] * 2
    assert s.type.field("x").type.value_field.metadata is None


@pytest.mark.parametrize("action", [protocol(), protocol(1, ["columnMapping"]), protocol(3, [])])
def test_the_mode_does_not_count_where_the_protocol_has_no_column_mapping(
    tmp_path: Path, action: Action
) -> None:
    # Delta PROTOCOL.md, "Column Mapping": the property is to be honoured only where the feature is supported.
    columns = [field("a", "long", 1), field("p", "long", 2)]
    file = add("f", partitionValues={"p": "5", "col-2": "6"})
    LogFolder(tmp_path).commit(0, action, mapped("name", *columns, partition_columns=["p"]), file)
    snapshot = read(tmp_path)
    assert snapshot.column_mapping == "none"
    assert [one.metadata for one in snapshot.schema] == [None, None]
    assert snapshot.partitions.to_pylist() == [{"p": 5}]


@pytest.mark.parametrize("mode", [None, "none"])
def test_fields_say_nothing_where_nothing_is_mapped(tmp_path: Path, mode: str | None) -> None:
    LogFolder(tmp_path).commit(0, protocol(2), mapped(mode, field("a", "long", 1)))
    snapshot = read(tmp_path)
    assert snapshot.column_mapping == "none"
    assert snapshot.schema.field("a").metadata is None


@pytest.mark.parametrize("in_checkpoint", [False, True])
def test_partition_values_go_by_physical_names(tmp_path: Path, in_checkpoint: bool) -> None:
    log = LogFolder(tmp_path)
    columns = [field("a", "long", 1), field("renamed", "long", 2)]
    head = (protocol(2), mapped("id", *columns, partition_columns=["renamed"]))
    # "renamed" was another column's name before.
    log.commit(0, *head, add("f", partitionValues={"col-2": "5", "renamed": "6"}))
    if in_checkpoint:
        log.checkpoint(0, *head, add("f", partitionValues={"col-2": "5", "renamed": "6"}))
    snapshot = read(tmp_path)
    assert snapshot.partition_columns == ("renamed",)
    assert snapshot.partitions.to_pylist() == [{"renamed": 5}]


@pytest.mark.parametrize("mode", ["name", "id"])
@pytest.mark.parametrize("wrong", [{NAME: None}, {ID: None}, {NAME: 5}, {ID: "5"}, {ID: True}])
def test_a_field_without_its_mapping_is_corrupt(
    tmp_path: Path, mode: str, wrong: dict[str, Any]
) -> None:
    columns = [field("a", array(struct(field("b", "long", 2, **wrong))), 1)]
    LogFolder(tmp_path).commit(0, protocol(2), mapped(mode, *columns))
    with pytest.raises(LogCorruptError, match=r"column 'a.element.b' has delta.columnMapping"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({NAME: "col-1"}, "same physical names"), ({ID: 1}, "'b' has the id 1, as another")],
)
def test_two_columns_of_one_physical_name_or_id_are_corrupt(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    columns = [field("a", "long", 1), field("b", "long", 2, **wrong)]
    LogFolder(tmp_path).commit(0, protocol(2), mapped("name", *columns))
    with pytest.raises(LogCorruptError, match=message):
        read(tmp_path)
