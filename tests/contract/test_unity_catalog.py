"""A table of Unity Catalog is its local copy: found over REST, read with what the catalog vends, in every process."""

from __future__ import annotations

import pickle
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import deltastream
from deltastream import Credentials, DeltaDataset, FieldSpec, create_pytorch_dataloader
from tests.support.loaders import batch_ids, row_ids
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered
from tests.support.unity import TOKEN, Catalog, serve_catalog
from tests.support.vending import AzureVending

URI = "uc://main.sales.orders"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("unity") / "table", [300, 200, 500])


@pytest.fixture
def catalog(s3: ObjectStore, table: Path) -> Iterator[Catalog]:
    secrets = {name: s3.storage_options[name] for name in SECRET_NAMES}

    def vend() -> Credentials:
        return Credentials(secrets, datetime.now(UTC) + timedelta(hours=1))

    with serve_catalog(Catalog(s3.upload(table, "unity/orders"), vend)) as catalog:
        yield catalog


SECRET_NAMES = ("aws_access_key_id", "aws_secret_access_key")


def options(catalog: Catalog, s3: ObjectStore) -> dict[str, str]:
    """The catalog, and where the test's store is: a real one of AWS needs nothing more."""
    kept = {key: value for key, value in s3.storage_options.items() if key not in SECRET_NAMES}
    return {**kept, **catalog.storage_options}


@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_a_table_is_found_and_read(
    catalog: Catalog, s3: ObjectStore, table: Path, transport: str
) -> None:
    found = deltastream.read_arrow(URI, storage_options=options(catalog, s3), transport=transport)
    assert found.equals(deltastream.read_arrow(table))
    assert [what.rpartition("/")[2] for what in catalog.asked] == [
        "main.sales.orders",
        "temporary-table-credentials",
    ] * 2


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_ask_the_catalog_for_themselves(
    catalog: Catalog, s3: ObjectStore, table: Path, context: str
) -> None:
    loader = create_pytorch_dataloader(
        URI,
        fields=[FieldSpec("id")],
        storage_options=options(catalog, s3),
        num_workers=2,
        multiprocessing_context=context,
    )
    assert sorted(row_ids(loader)) == list(range(1000))
    assert "uc://main.sales.orders" in repr(loader.dataset)
    shown = f"{loader.dataset!r} {loader.state_dict()} {vars(loader.dataset)}"
    assert TOKEN not in shown
    assert s3.storage_options["aws_secret_access_key"] not in shown


def test_a_catalog_that_stumbles_is_asked_again(
    catalog: Catalog, s3: ObjectStore, table: Path
) -> None:
    catalog.failures += [503, 429, 500]
    dataset = DeltaDataset(URI, [FieldSpec("id")], storage_options=options(catalog, s3))
    assert batch_ids(dataset) == batch_ids(DeltaDataset(table, [FieldSpec("id")]))


def test_a_table_on_a_disk_needs_no_credentials(table: Path) -> None:
    with serve_catalog(Catalog(table.as_uri())) as catalog:
        found = deltastream.read_arrow(URI, storage_options=catalog.storage_options)
    assert found.equals(deltastream.read_arrow(table))


@pytest.mark.parametrize(
    ("uri", "change", "error", "told"),
    [
        (
            "uc://main.sales.none",
            {},
            deltastream.TableNotFoundError,
            "no such table.*does not exist",
        ),
        (
            URI,
            {"databricks_token": "wrong-token"},
            deltastream.StorageError,
            "403: no such token; the token",
        ),
        ("uc://main.orders", {}, deltastream.OptionError, "uc://catalog.schema.table"),
        (URI, {"databricks_host": ""}, deltastream.OptionError, "no address of the catalog"),
        (URI, {"aws_secret_access_key": "s"}, deltastream.OptionError, "storage_options give"),
    ],
)
def test_what_is_wrong_is_said_and_no_token(
    catalog: Catalog,
    s3: ObjectStore,
    uri: str,
    change: dict[str, str],
    error: type[Exception],
    told: str,
) -> None:
    with pytest.raises(error, match=told) as raised:
        deltastream.read_arrow(uri, storage_options={**options(catalog, s3), **change})
    assert TOKEN not in str(raised.value)
    assert "wrong-token" not in str(raised.value)


def test_a_catalog_that_is_not_there_is_named_without_its_token() -> None:
    said = {"databricks_host": "http://127.0.0.1:9", "databricks_token": TOKEN}
    with pytest.raises(
        deltastream.StorageError, match=r"http://127\.0\.0\.1:9 gave no answer"
    ) as raised:
        deltastream.read_arrow(URI, storage_options=said)
    assert TOKEN not in str(raised.value)


def test_a_callback_that_fails_is_named(s3: ObjectStore) -> None:
    kept = {key: value for key, value in s3.storage_options.items() if key not in SECRET_NAMES}

    def fail() -> Credentials:
        raise RuntimeError("the vault is closed")

    with pytest.raises(deltastream.StorageError, match="callback failed: RuntimeError: the vault"):
        deltastream.read_arrow(s3.uri("any"), storage_options=kept, credentials=fail)
    with pytest.raises(deltastream.OptionError, match="returned a dict"):
        deltastream.read_arrow(s3.uri("any"), storage_options=kept, credentials=dict)  # type: ignore[arg-type, return-value]
    with pytest.raises(deltastream.OptionError, match="aws_acess"):
        deltastream.read_arrow(
            s3.uri("any"), storage_options=kept, credentials=lambda: Credentials({"aws_acess": "x"})
        )


def test_a_callback_that_does_not_pickle_is_said_where_workers_are_spawned(
    s3: ObjectStore, table: Path
) -> None:
    kept = {key: value for key, value in s3.storage_options.items() if key not in SECRET_NAMES}
    secrets = {name: s3.storage_options[name] for name in SECRET_NAMES}
    dataset = DeltaDataset(
        s3.upload(table, "unity/orders"),
        [FieldSpec("id")],
        storage_options=kept,
        credentials=lambda: Credentials(secrets),
    )
    assert len(batch_ids(dataset)) == len(dataset)
    with pytest.raises(deltastream.OptionError, match="credentials= has to pickle"):
        pickle.dumps(dataset)


def test_a_callback_that_gives_what_has_ended_is_told_so(s3: ObjectStore) -> None:
    kept = {key: value for key, value in s3.storage_options.items() if key not in SECRET_NAMES}
    ended = Credentials({"aws_access_key_id": "k"}, datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(deltastream.StorageError, match="gave what ended at"):
        deltastream.read_arrow(s3.uri("any"), storage_options=kept, credentials=lambda: ended)


def test_signatures_of_azure_are_vended_and_renewed(azure: ObjectStore, table: Path) -> None:
    kept = {
        key: value
        for key, value in azure.storage_options.items()
        if not key.endswith("account_key")
    }
    vend = AzureVending(3.0)
    with serve_catalog(Catalog(azure.upload(table, "unity/orders"), vend)) as catalog:
        dataset = DeltaDataset(
            URI, [FieldSpec("id")], storage_options={**kept, **catalog.storage_options}
        )
        for _ in range(2):
            assert batch_ids(dataset) == batch_ids(DeltaDataset(table, [FieldSpec("id")]))
            time.sleep(3.0)


def test_tokens_of_google_are_vended(gcs: ObjectStore, table: Path) -> None:
    kept = {key: value for key, value in gcs.storage_options.items() if "signature" not in key}

    def vend() -> Credentials:
        return Credentials({"google_bearer_token": "token-of-google"})

    with serve_catalog(Catalog(gcs.upload(table, "unity/orders"), vend)) as catalog:
        said = {**kept, **catalog.storage_options}
        found = deltastream.read_arrow(URI, storage_options=said)
    assert found.equals(deltastream.read_arrow(table))


def test_a_netrc_file_does_not_take_the_place_of_the_token(
    catalog: Catalog, s3: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert deltastream.read_arrow(URI, storage_options=options(catalog, s3)).num_rows == 1000


def test_a_catalog_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltastream.storage.unity._TIMEOUT_S", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = {"databricks_host": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        started_s = time.monotonic()
        with pytest.raises(deltastream.StorageError, match="gave no answer"):
            deltastream.read_arrow(URI, storage_options=said)
    # Four times 0.2 s, and the waits between them.
    assert 0.8 <= time.monotonic() - started_s < 6.0


def test_an_answer_that_is_no_document_is_told_with_its_status(
    catalog: Catalog, s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "answer", lambda *_: (200, ["no", "object"]))
    with pytest.raises(deltastream.StorageError, match="HTTP status 200: and with no JSON object"):
        deltastream.read_arrow(URI, storage_options=options(catalog, s3))
