from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch.utils.data._utils.pin_memory import pin_memory

from deltastream.batch import PackedBatch
from tests.support.batches import BATCHES, send_batches

Receive = Callable[[str, bool], Any]

EXIT_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def receive() -> Iterator[Receive]:
    """Ask a process of its own for a batch by name; True: unpacked there already."""
    context = torch.multiprocessing.get_context("spawn")
    connection: Connection
    connection, other_end = context.Pipe()
    process = context.Process(target=send_batches, args=(other_end,))
    process.start()
    other_end.close()

    def ask(name: str, unpacked: bool) -> Any:
        connection.send((name, unpacked))
        return connection.recv()

    yield ask
    connection.send(None)
    process.join(EXIT_TIMEOUT_S)
    connection.close()
    assert process.exitcode == 0


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, torch.Tensor) and expected.layout == torch.jagged:
        return found.layout == torch.jagged and same(list(found.unbind()), list(expected.unbind()))
    if isinstance(expected, torch.Tensor):
        return (
            isinstance(found, torch.Tensor)
            and found.dtype == expected.dtype
            and torch.equal(found, expected)
        )
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, (list, tuple)):
        return (
            type(found) is type(expected)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    if isinstance(expected, memoryview):
        return isinstance(found, memoryview) and found.readonly and bytes(found) == bytes(expected)
    return bool(found == expected)


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_arrives_in_another_process_as_it_was(receive: Receive, name: str) -> None:
    assert same(receive(name, False), BATCHES[name]())


@pytest.mark.parametrize("name", [name for name in BATCHES if name != "binary"])
def test_unpacked_where_it_was_made_it_is_the_same_batch(receive: Receive, name: str) -> None:
    assert same(receive(name, True), BATCHES[name]())


def test_pin_memory_leaves_binary_values_as_they_are() -> None:
    values = BATCHES["binary"]()["bytes"]
    assert pin_memory({"x": values})["x"] is values


@pytest.mark.parametrize("name", ["tensors", "many", "ragged"])
def test_all_tensors_arrive_in_one_storage_of_about_their_size(receive: Receive, name: str) -> None:
    found = receive(name, False).values()
    tensors = [v for value in found for v in (value if isinstance(value, list) else [value])]
    tensors = [tensor for tensor in tensors if tensor is not None]
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1
    nbytes = sum(tensor.nbytes for tensor in tensors)
    assert tensors[0].untyped_storage().nbytes() <= nbytes + 64 * len(tensors)


def test_a_view_does_not_take_its_chunk_along(receive: Receive) -> None:
    found = receive("a view of a large chunk", False)["x"]
    assert found.nbytes == 32
    assert found.untyped_storage().nbytes() <= 64


def test_what_arrived_may_be_written_and_its_parts_do_not_overlap(receive: Receive) -> None:
    found = receive("many", False)
    for tensor in found.values():
        tensor += 1
    assert all((tensor == i + 1).all() for i, tensor in enumerate(found.values()))
    assert all(tensor.data_ptr() % 64 == 0 for tensor in found.values())


@pytest.mark.parametrize("name", ["tensors", "dicts", "ragged", "matrices of several heights"])
def test_pin_memory_finds_every_tensor_of_a_batch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no accelerator here to pin for: what would be pinned is counted.
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batch = BATCHES[name]()
    assert same(pin_memory(batch), batch)
    assert len(pinned) == num_tensors(batch)


def num_tensors(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(map(num_tensors, value))
    return int(isinstance(value, torch.Tensor))


def test_a_batch_reads_like_its_dict_where_it_was_made() -> None:
    batch = PackedBatch({"x": torch.arange(3), "y": ["a", "b", "c"]})
    assert list(batch) == list(batch.keys()) == ["x", "y"]
    assert len(batch) == len(batch.items()) == len(batch.values()) == 2
    assert dict(batch)["x"].tolist() == batch["x"].tolist() == [0, 1, 2]
    assert "y" in batch
    assert batch.get("z", 7) == 7
    assert batch["x"] is batch["x"]
