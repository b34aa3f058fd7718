from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deltastream.errors import LogCorruptError
from deltastream.types import Snapshot
from tests.support.logs import CHECKPOINT, UUID, LogFolder, add, metadata, protocol, read, remove

HEAD = (protocol(), metadata())


def paths(snapshot: Snapshot) -> list[str]:
    return list(snapshot.files.column("path").to_pylist())


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    """Commits 0 to 4; each adds the file of its number."""
    folder = LogFolder(tmp_path)
    folder.first_commit(add("0"))
    for version in range(1, 5):
        folder.commit(version, add(str(version)))
    return folder


def checkpoint(log: LogFolder, version: int, **options: object) -> list[Path]:
    """Write the checkpoint of `version`, with a file that shows that it was read."""
    adds = [add(str(i)) for i in range(version + 1)]
    return log.checkpoint(version, *HEAD, *adds, add(f"from-{version}"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("num_parts", [None, 1, 3, 7])
def test_the_newest_complete_checkpoint_and_the_commits_after_it_are_read(
    log: LogFolder, num_parts: int | None
) -> None:
    checkpoint(log, 1)
    checkpoint(log, 3, num_parts=num_parts)
    for version in range(3):
        log.commit_path(version).write_text("not read")
    assert paths(read(log.root)) == ["0", "1", "2", "3", "4", "from-3"]
    assert paths(read(log.root, version=1)) == ["0", "1", "from-1"]


def test_an_incomplete_multi_part_checkpoint_is_not_used(log: LogFolder) -> None:
    checkpoint(log, 1)
    checkpoint(log, 3, num_parts=3)[1].unlink()
    assert paths(read(log.root))[-1] == "from-1"


@pytest.mark.parametrize(
    "hint", [None, b"", b"not json", b'{"version":99,"size":1}', b'{"version":0}']
)
def test_the_last_checkpoint_file_is_a_hint_that_may_be_wrong(
    log: LogFolder, hint: bytes | None
) -> None:
    checkpoint(log, 3)
    if hint is not None:
        (log.log / "_last_checkpoint").write_bytes(hint)
    assert paths(read(log.root))[-1] == "from-3"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _damage_first_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:300] = b"\xff" * 296
    path.write_bytes(data)


def _other_parquet(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path)


def _without_sizes(path: Path) -> None:
    table = pa.table({"add": pa.array([{"path": "a"}]), "protocol": [None], "metaData": [None]})
    pq.write_table(table, path)


DAMAGES = [lambda path: path.write_bytes(b""), _cut, _damage_first_page, _other_parquet]
DAMAGES.append(_without_sizes)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_an_older_one_or_to_the_commits(
    log: LogFolder, damage: object
) -> None:
    older, newer = checkpoint(log, 1), checkpoint(log, 3)
    damage(newer[0])  # type: ignore[operator]
    assert paths(read(log.root)) == ["0", "1", "2", "3", "4", "from-1"]
    damage(older[0])  # type: ignore[operator]
    assert paths(read(log.root)) == ["0", "1", "2", "3", "4"]


# An empty one is none: it is left out with the names that are no checkpoint's.
@pytest.mark.parametrize("damage", DAMAGES[1:])
def test_a_damaged_checkpoint_that_is_needed_is_corrupt_and_named(
    log: LogFolder, damage: object
) -> None:
    (path,) = checkpoint(log, 3)
    damage(path)  # type: ignore[operator]
    log.commit_path(2).unlink()
    with pytest.raises(LogCorruptError, match=f"checkpoint {path} cannot be read"):
        read(log.root)


def test_an_add_without_a_path_damages_its_checkpoint(log: LogFolder) -> None:
    log.checkpoint(3, *HEAD, {"add": add("x")["add"] | {"path": None}})
    assert paths(read(log.root)) == ["0", "1", "2", "3", "4"]


def test_removes_in_a_checkpoint_are_only_tombstones(log: LogFolder) -> None:
    log.checkpoint(4, *HEAD, remove("0"), add("1"), remove("2"), remove("3"), add("4"))
    assert paths(read(log.root)) == ["1", "4"]


def test_a_part_may_lack_the_columns_of_actions_that_it_has_none_of(log: LogFolder) -> None:
    parts = log.checkpoint(3, protocol(), metadata({"id": "long"}), add("a"), add("b"), num_parts=4)
    for path in parts:
        table = pq.read_table(path)
        pq.write_table(
            table.drop_columns([c for c in table.column_names if table[c].null_count]), path
        )
    txn = pa.table({"txn": [{"appId": "stream", "version": 4}]})
    pq.write_table(txn, parts[-1])
    found = read(log.root, version=3)
    assert found.schema.names == ["id"]
    assert paths(found) == ["a"]


def test_a_checkpoint_without_adds_is_an_empty_table(log: LogFolder) -> None:
    action = metadata({"p": "date"}, partition_columns=["p"])
    log.checkpoint(4, protocol(), action)
    snapshot = read(log.root)
    assert snapshot.files.num_rows == 0
    assert snapshot.partitions.schema == pa.schema([("p", pa.date32())])


@pytest.mark.parametrize("string", [pa.string(), pa.large_string(), pa.binary()])
def test_the_types_that_writers_give_the_columns_do_not_matter(
    log: LogFolder, string: pa.DataType
) -> None:
    fields = [
        pa.field("path", string, nullable=False),
        pa.field("partitionValues", pa.map_(string, pa.field("value", string, nullable=False))),
        ("size", pa.int32()),
        ("modificationTime", pa.int64()),
        ("stats", string),
    ]
    schema = CHECKPOINT.set(0, pa.field("add", pa.struct(fields)))
    columns = metadata({"p": "string"}, partition_columns=["p"])
    stats = '{"numRecords":7}'
    adds = [add(f"{i}", partitionValues={"p": f"v{i}"}, stats=stats) for i in range(3)]
    log.checkpoint(3, protocol(), columns, *adds, schema=schema)
    snapshot = read(log.root)
    assert paths(snapshot) == ["0", "1", "2", "4"]
    assert snapshot.files.column("num_records").to_pylist() == [7, 7, 7, None]
    assert snapshot.partitions.column("p").to_pylist() == ["v0", "v1", "v2", None]


def test_struct_statistics_stand_in_for_absent_json(log: LogFolder) -> None:
    adds = [
        add("a", stats='{"numRecords":1}', stats_parsed={"numRecords": 9}),
        add("b", stats_parsed={"numRecords": 2}),
        add("c"),
    ]
    log.checkpoint(4, *HEAD, *adds)
    assert read(log.root).files.column("num_records").to_pylist() == [1, 2, None]


def test_a_sidecar_without_a_path_damages_its_checkpoint(log: LogFolder) -> None:
    top = log.v2_checkpoint(3, protocol(3, ["v2Checkpoint"]), metadata(), suffix=f"{UUID}.json")[0]
    for path in (None, 7, ["x"]):
        sidecar = json.dumps({"sidecar": {"path": path}})
        top.write_text(f"{top.read_text()}{sidecar}\n")
        log.commit_path(0).unlink(missing_ok=True)
        with pytest.raises(LogCorruptError, match="sidecar"):
            read(log.root, version=3)


def test_partition_values_that_are_no_map_damage_their_checkpoint(log: LogFolder) -> None:
    head = (protocol(), metadata({"x": "long", "p": "string"}, partition_columns=["p"]))
    path = log.checkpoint(3, *head, add("a", partitionValues={"p": "1"}))[0]
    table = pq.read_table(path)
    adds = table["add"].combine_chunks()
    fields = {field.name: column for field, column in zip(adds.type, adds.flatten(), strict=True)}
    fields["partitionValues"] = pa.array(["p"] * len(adds))
    mask = adds.is_null()
    changed = pa.StructArray.from_arrays([*fields.values()], [*fields], mask=mask)
    pq.write_table(table.set_column(0, "add", changed), path)
    log.commit_path(0).unlink()
    with pytest.raises(LogCorruptError, match="not a map"):
        read(log.root, version=3)


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_checkpoint_without_protocol_or_metadata_is_damaged_and_the_commits_do(
    log: LogFolder, lacking: int
) -> None:
    log.checkpoint(3, HEAD[1 - lacking], add("from-3"))
    assert paths(read(log.root)) == ["0", "1", "2", "3", "4"]
    log.commit_path(0).unlink()
    name = ("protocol", "metaData")[lacking]
    with pytest.raises(LogCorruptError, match=f"neither it nor a commit after it has a {name}"):
        read(log.root)


def test_texts_may_be_views_in_the_arrow_schema_of_a_checkpoint(log: LogFolder) -> None:
    def with_views(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_string(type_):
            return pa.string_view()
        if pa.types.is_struct(type_):
            return pa.struct([field.with_type(with_views(field.type)) for field in type_])
        if pa.types.is_map(type_):
            return pa.map_(with_views(type_.key_type), with_views(type_.item_type))
        if pa.types.is_list(type_):
            return pa.list_(with_views(type_.value_type))
        return type_

    schema = pa.schema([field.with_type(with_views(field.type)) for field in CHECKPOINT])
    adds = [add(f"{i}%20", stats='{"numRecords":7}') for i in range(3)]
    (path,) = log.checkpoint(3, *HEAD, *adds, schema=schema, row_group_rows=100)
    assert "string_view" in str(pq.read_schema(path).field("add").type)
    for version in range(4):
        log.commit_path(version).unlink()
    found = read(log.root)
    assert paths(found) == ["0 ", "1 ", "2 ", "4"]
    assert found.files["num_records"].to_pylist()[:3] == [7, 7, 7]


@pytest.mark.parametrize("lacking", [0, 1])
def test_commits_without_protocol_or_metadata_are_corrupt(tmp_path: Path, lacking: int) -> None:
    log = LogFolder(tmp_path)
    log.commit(0, HEAD[1 - lacking], add("a"))
    name = ("protocol", "metaData")[lacking]
    with pytest.raises(LogCorruptError, match=f"version 0: the log has no {name} action"):
        read(log.root)
