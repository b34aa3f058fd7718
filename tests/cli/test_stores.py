"""The commands read tables in object stores, and never tell what let them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deltastream import DeltaDataset, FieldSpec, create_pytorch_dataloader
from deltastream.options import FOOTER_NBYTES
from tests.support.checksums import write_with_checksums
from tests.support.commands import Ran, run_command
from tests.support.faults.proxy import run_proxy
from tests.support.servers.access import Access
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered
from tests.support.vectors import numbered_files, write_files_with_vectors

SIZES = [300, 10, 200, 64]
DELETED = [[0, 5, 63, 64, 299], None, list(range(64, 128)), []]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("commands") / "table"
    return write_files_with_vectors(root, numbered_files(SIZES, DELETED))


def given(access: Access, **changed: str) -> list[str]:
    """The options of an access as arguments."""
    options = {**access.options["storage_options"], **changed}
    pairs = [f"--storage-option={key}={value}" for key, value in options.items()]
    return [*pairs, f"--transport={access.transport}"]


def document(ran: Ran) -> dict[str, Any]:
    assert (ran.code, ran.err) == (0, "")
    return ran.document


@pytest.mark.one_in(4)
def test_inspect_and_plan_say_what_they_say_of_the_local_copy(
    remote_access: Access, table: Path
) -> None:
    uri = remote_access.put(table)
    for command in ("inspect", "plan"):
        found = document(run_command(command, uri, "--json", *given(remote_access)))
        local = document(run_command(command, table, "--json"))
        assert found.pop("table_uri") == uri
        del local["table_uri"]
        # A store has times of its own.
        assert found.pop("vacuum", {}).keys() == local.pop("vacuum", {}).keys()
        assert found == local


def test_a_store_is_found_by_the_environment_alone(s3: ObjectStore, table: Path) -> None:
    uri = Access(s3).put(table)
    environment = {key.upper(): value for key, value in s3.storage_options.items()}
    found = document(run_command("inspect", uri, "--json", **environment))
    assert found["rows"]["live"] == sum(SIZES) - 69


def test_verify_compares_with_what_deltalake_reads_there(s3: ObjectStore, tmp_path: Path) -> None:
    access = Access(s3)
    root = write_numbered(tmp_path / "table", SIZES)
    arguments = (access.put(root), "--verify", "--json", *given(access))
    verification = document(run_command("inspect", *arguments))["verification"]
    assert verification["outcome"] == "same"
    assert not verification["num_differences"]


@pytest.mark.one_in(4)
def test_locate_finds_the_rows_of_a_batch_where_the_table_lies(
    remote_access: Access, table: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"batch_size": 16, "shuffle": True, "seed": 5}
    uri = remote_access.put(table)
    data = DeltaDataset(uri, [FieldSpec("id")], **settings, **remote_access.options)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(data.state_dict()))
    arguments = ("locate", state, "--microbatch", 3, "--json")
    found = document(run_command(*arguments, *given(remote_access)))
    local = document(run_command(*arguments, "--table", table))
    assert found["parts"] == local["parts"]
    assert found["order"] == local["order"]


def test_no_secret_is_shown_however_a_command_ends(s3: ObjectStore, table: Path) -> None:
    access = Access(s3)
    uri = access.put(table)
    secret = s3.storage_options["aws_secret_access_key"]
    wrong = "wrong-secret-of-s3"
    for command, code, options in (
        ("inspect", 0, given(access)),
        ("plan", 0, given(access)),
        ("inspect", 1, given(access, aws_secret_access_key=wrong)),
        ("plan", 1, given(access, aws_secret_access_key=wrong)),
        ("inspect", 2, [*given(access), f"--storage-option={wrong}"]),
        ("plan", 2, [*given(access), f"--storage-option=no_such_option={wrong}"]),
        ("inspect", 2, [*given(access), f"--storage-option=secret={wrong}"]),
        ("inspect", 2, [*given(access), f"--storage-option=aws_secret_access_key={wrong}"]),
        ("plan", 2, [*given(access), f"--storage-option=aws_allow_http={wrong}"]),
    ):
        ran = run_command(command, uri, *options)
        assert ran.code == code, ran.err
        assert secret not in ran.out + ran.err
        assert wrong not in ran.out + ran.err
        assert "Traceback" not in ran.err


def test_an_epoch_makes_no_more_requests_than_plan_announces(
    s3: ObjectStore, tmp_path: Path
) -> None:
    # Of the four columns the two in the middle are wanted or not: one request for a row group, or two.
    root = write_with_checksums(tmp_path / "table", [60_000] * 4, row_group_rows=20_000)
    access = Access(s3)
    uri = access.put(root)
    with run_proxy(s3.port, tmp_path / "proxy") as proxy:
        through = access.via(proxy.port)
        for columns, lanes in ((["id", "n2"], 1), (["id", "n0", "n1", "n2"], 1), (["n1"], 5)):
            names = ",".join(columns)
            arguments = ("plan", uri, "--columns", names, "--batch-size", 500, "--lanes", lanes)
            reading = document(run_command(*arguments, "--json", *given(access)))["reading"]
            loader = create_pytorch_dataloader(
                uri,
                fields=[FieldSpec(name) for name in columns],
                batch_size=500,
                lanes=lanes,
                **through.options,
            )
            before = proxy.statistics()
            assert sum(len(batch[columns[0]]) for batch in loader) == 240_000
            counted = proxy.statistics()
            num_requests = counted.num_requests - before.num_requests
            nbytes = counted.sent_nbytes - before.sent_nbytes
            # Row groups that share a window, and lie side by side, come in one request.
            assert num_requests <= reading["requests_per_rank"] <= 2 * num_requests
            # Of each file's end 64 KiB come with the footer.
            assert reading["nbytes_per_rank"] + 4 * FOOTER_NBYTES == pytest.approx(nbytes, rel=0.01)
