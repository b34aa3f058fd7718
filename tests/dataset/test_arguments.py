"""Arguments that cannot be: each is an error that names it, when the dataset is made."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from deltastream import DeltaDataLoader, DeltaDataset, FieldSpec, create_pytorch_dataloader
from deltastream.errors import MemoryBudgetError, OptionError, TransformError
from tests.support.loaders import row_ids
from tests.support.tables import write_files, write_numbered


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("arguments") / "t", [40, 40], row_group_rows=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ["id"]}, "fields takes a list of FieldSpec, got 'id' in it"),
        ({"fields": "id"}, "fields takes a list of FieldSpec, got 'id'"),
        ({"fields": FieldSpec("id")}, "fields takes a list of FieldSpec, got FieldSpec"),
        ({"fields": 3}, "fields takes a list of FieldSpec, got 3"),
        ({"columns": "id"}, "columns takes a list of names, got 'id'"),
        ({"columns": ()}, "columns takes a list of one name or more, got none"),
        pytest.param({"columns": iter([])}, "list of one name or more, got none", id="used up"),
        ({"columns": 3}, "columns takes a list of names, got 3"),
        ({"columns": ["id", None]}, "columns takes a list of names, got None in it"),
        (
            {"partition_filter": 3},
            "partition_filter takes a list of .column, operator, value., got 3",
        ),
        ({"storage_options": "secret"}, "storage_options takes a mapping, got a str"),
        ({"shuffle": "yes"}, "shuffle must be True or False, got 'yes'"),
        ({"drop_last": 2}, "drop_last must be True or False, got 2"),
        ({"pad": "x"}, "pad must be True or False, got 'x'"),
        ({"memory_budget": "1GB"}, "memory_budget must be an integer of at least 1, got '1GB'"),
        ({"memory_budget": None}, "memory_budget must be an integer of at least 1, got None"),
        ({"decode_threads": 1.5}, "decode_threads must be an integer of at least 1, got 1.5"),
        ({"lanes": 1 << 40}, "lanes must be at most 1048576"),
        ({"rank": "0", "num_ranks": 2}, "need integers 0 <= rank < num_ranks, got rank='0'"),
    ],
    ids=str,
)
def test_an_argument_that_cannot_be_is_named(
    table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        DeltaDataset(table, **{"fields": [FieldSpec("id")], "batch_size": 8, **options})


@pytest.mark.parametrize("kind", [iter, tuple, np.array, dict.fromkeys])
def test_columns_may_be_any_iterable_of_names(table: Path, kind: Any) -> None:
    data = DeltaDataset(table, columns=[str(name) for name in kind(["id"])])
    assert DeltaDataset(table, columns=kind(["id"])).state_dict() == data.state_dict()


def test_ranks_and_workers_of_numpy_make_a_state_of_json(table: Path) -> None:
    two = np.int64(2)
    ranks = {"rank": np.int64(0), "num_ranks": two}
    data = DeltaDataset(table, batch_size=8, version=1, **ranks)  # type: ignore[arg-type]
    loader = DeltaDataLoader(data, num_workers=two)
    state = json.loads(json.dumps(loader.state_dict()))
    assert state["lanes"] == 4
    loader.load_state_dict(state)


@pytest.mark.parametrize("path", [None, 3, b"/table"])
def test_a_table_is_named_by_a_path(path: Any) -> None:
    with pytest.raises(OptionError, match="a table is named by a path or a URI, got"):
        DeltaDataset(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": None}, "num_workers must be an integer of at least 0, got None"),
        ({"num_workers": -1}, "num_workers must be an integer of at least 0, got -1"),
        ({"collate_fn": "x"}, "collate_fn must be a function of a list of rows, got 'x'"),
    ],
    ids=str,
)
def test_an_argument_of_the_loader_that_cannot_be_is_named(
    table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        create_pytorch_dataloader(table, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((None,), {}, "FieldSpec needs a column name or several, got None"),
        (("a",), {"target_name": 5}, "target_name must be a string, got 5"),
        (("a", 0), {}, "decode_numpy_and_apply_shape needs sizes of at least 1, .* got 0"),
        (("a", (2, 0)), {}, "decode_numpy_and_apply_shape needs sizes of at least 1"),
        (("a", (-1, -1)), {}, "decode_numpy_and_apply_shape needs sizes of at least 1"),
        (("a", (2, 1.5)), {}, "decode_numpy_and_apply_shape needs sizes of at least 1"),
        (("a",), {"null_mask": "no"}, "FieldSpec 'a': null_mask must be True or False, got 'no'"),
        (("a",), {"load_image_using_pil": 2}, "load_image_using_pil must be True or False, got 2"),
        (("a",), {"fill_null": "x"}, "fill_null must be a number, got 'x'"),
        (("a",), {"ragged": "padded", "pad_value": [0]}, "pad_value must be a number"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_is_named(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        FieldSpec(*arguments, **options)


def test_numbers_may_be_those_of_numpy(table: Path) -> None:
    numbers = {"seed": 5, "batch_size": 7, "lanes": 2, "shuffle_rows": 20, "version": 1}
    same = DeltaDataset(table, shuffle=True, **numbers)  # type: ignore[arg-type]
    data = DeltaDataset(table, shuffle=True, **{name: np.int64(n) for name, n in numbers.items()})
    assert json.dumps(data.state_dict()) == json.dumps(same.state_dict())
    assert row_ids(data) == row_ids(same)


@pytest.mark.parametrize("number", [np.array([1, 2]), torch.tensor(1.5), np.True_, "1"])
def test_what_only_looks_like_a_number_is_refused(table: Path, number: Any) -> None:
    with pytest.raises(OptionError, match="batch_size must be an integer of at least 1, got"):
        DeltaDataset(table, batch_size=number)


def test_sizes_may_be_those_of_numpy() -> None:
    assert FieldSpec("a", (np.int64(2), 3)).decode_numpy_and_apply_shape == (2, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("yes", "no"), [(1, 0), (np.True_, np.False_), (True, None)])
def test_yes_and_no_have_several_forms_and_one_state(table: Path, yes: Any, no: Any) -> None:
    for shuffle, drop_last in ((yes, no), (no, yes)):
        options = {"fields": iter([FieldSpec("id")]), "batch_size": 7, "lanes": 1}
        data = DeltaDataset(table, shuffle=shuffle, drop_last=drop_last, pad=0, **options)  # type: ignore[arg-type]
        same = DeltaDataset(
            table,
            [FieldSpec("id")],
            batch_size=7,
            lanes=1,
            shuffle=bool(shuffle),
            drop_last=bool(drop_last),
        )
        batches = iter(data)
        next(batches)
        same.load_state_dict(json.loads(json.dumps(data.state_dict())))
        assert row_ids(same) == [int(i) for batch in batches for i in batch["id"]]


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE"])
def test_a_rank_in_the_environment_that_is_no_number_is_named(
    table: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv(name, "")
    with pytest.raises(OptionError, match=f"environment variable {name} must be an integer"):
        DeltaDataset(table, [FieldSpec("id")])


@pytest.mark.parametrize("epoch", ["1", None, 1.5, -1, True])
def test_an_epoch_is_an_integer(table: Path, epoch: Any) -> None:
    with pytest.raises(OptionError, match="epoch must be an integer"):
        DeltaDataset(table, [FieldSpec("id")]).set_epoch(epoch)


@pytest.mark.parametrize("condition", [[], [[]]])
def test_an_empty_partition_filter_keeps_every_row_of_a_table_without_partitions(
    table: Path, condition: Any
) -> None:
    loader = create_pytorch_dataloader(
        table, fields=[FieldSpec("id")], partition_filter=condition, num_workers=0
    )
    assert row_ids(loader) == list(range(80))


RESULTS: dict[str, Any] = {
    "other keys": lambda i: {"a": 1} if i % 2 else {"b": 1},
    "too large a number": lambda i: 1 << 64,
    "other shapes": lambda i: np.zeros(i % 2 + 1),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_do_not_fit_together_name_their_field(table: Path, name: str) -> None:
    data = DeltaDataset(table, [FieldSpec("id", transform=RESULTS[name])], batch_size=8)
    with pytest.raises(TransformError, match="field 'id': the values of its rows do not make a"):
        list(data)


def test_results_of_which_some_are_none_say_what_to_do(table: Path) -> None:
    spec = FieldSpec("id", transform=lambda i: None if i == 3 else i)
    with pytest.raises(TransformError, match=r"'id': .*some are None: let transform make some"):
        list(DeltaDataset(table, [spec], batch_size=8))


def test_two_threads_cannot_take_from_one_iterator_at_once(table: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait(value: int) -> int:
        begun.set()
        may_end.wait(30)
        return value

    batches = iter(DeltaDataset(table, [FieldSpec("id", transform=wait)], batch_size=8))
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(next(batches)))
    thread.start()
    begun.wait(30)
    with pytest.raises(RuntimeError, match="another thread is taking"):
        next(batches)
    may_end.set()
    thread.join()
    # The one that came first goes on.
    assert [batch["id"].tolist() for batch in (*taken, next(batches))] == [
        list(range(8)),
        list(range(8, 16)),
    ]
    batches.close()  # type: ignore[attr-defined]


def test_a_filter_means_what_it_meant_when_it_was_given(table: Path) -> None:
    condition = [("id", "<", 50)]
    dataset = DeltaDataset(table, filter=condition, batch_size=10)
    before = dataset.state_dict()
    condition.append(("id", ">", 40))
    assert dataset.state_dict() == before
    assert dataset.num_rows == 50


def test_a_narrow_column_of_a_wide_table_fits_the_budget(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = pa.table(
        {
            "image": pa.array([generator.bytes(4096) for _ in range(4000)], pa.binary()),
            "text": [str(i) for i in range(4000)],
        }
    )
    root = write_files(tmp_path / "table", [rows])
    options: dict[str, Any] = {
        "shuffle": True,
        "lanes": 8,
        "memory_budget": 8 << 20,
        "shuffle_nbytes": 8 << 20,
        "batch_size": 50,
    }
    narrow = DeltaDataset(root, columns=["text"], **options)
    assert sorted(int(text) for batch in narrow for text in batch["text"]) == list(range(4000))
    with pytest.raises(MemoryBudgetError, match="8 open lanes of 8"):
        iter(DeltaDataset(root, **options))


def test_values_that_make_no_batch_are_told_with_table_and_batch(table: Path) -> None:
    spec = FieldSpec("id", transform=lambda value: torch.zeros(value % 3))
    with pytest.raises(TransformError, match=r"/t version 1, epoch 0, microbatch 0: field 'id'"):
        next(iter(DeltaDataset(table, [spec])))


def test_statistics_without_an_iterator_say_when_to_ask(table: Path) -> None:
    dataset = DeltaDataset(table)
    for _ in dataset:
        pass
    with pytest.raises(OptionError, match="ask while one is open"):
        dataset.statistics()
