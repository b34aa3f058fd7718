"""Credentials that last for three seconds serve a run of any length, and no secret ever shows."""

from __future__ import annotations

import json
import pickle
import re
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.children import Ended, run_script
from tests.support.faults.proxy import run_proxy
from tests.support.faults.settings import Latency, Settings
from tests.support.servers.azurite import ACCOUNT_KEY
from tests.support.servers.seaweedfs import VENDED
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered
from tests.support.vending import AzureVending, S3Vending

LIFETIME_S = 3.0

SCRIPT = """
import json, logging, pathlib, pickle, sys, time
from deltastream import DeltaStreamError, FieldSpec, create_pytorch_dataloader

if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    options = json.loads(sys.argv[2])
    credentials = pickle.loads(pathlib.Path(sys.argv[3]).read_bytes())
    loader = create_pytorch_dataloader(
        sys.argv[1], fields=[FieldSpec("id")], batch_size=64, shuffle=True, lanes=2,
        shuffle_rows=100, memory_budget=1 << 15,
        credentials=credentials, persistent_workers=options["num_workers"] > 0, **options
    )
    print("ready", flush=True)
    end_s = time.monotonic() + float(sys.argv[4])
    num_epochs = 0
    while time.monotonic() < end_s:
        found = []
        for batch in loader:
            found += batch["id"].tolist()
            # An epoch takes three times as long as credentials last, with requests all along.
            time.sleep(0.06)
        assert sorted(found) == list(range(10_000))
        num_epochs += 1
    print("epochs", num_epochs)
    print(repr(loader), repr(loader.dataset), vars(loader.dataset))
    try:
        create_pytorch_dataloader(sys.argv[1] + "-no-such-table", credentials=credentials, **options)
    except DeltaStreamError as error:
        print(repr(error), error.__cause__)
    else:
        raise AssertionError("a table where there is none")
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(
        tmp_path_factory.mktemp("credentials") / "table", [1250] * 8, row_group_rows=50
    )


def run(
    folder: Path, uri: str, options: dict[str, Any], vending: object, duration_s: float
) -> Ended:
    path = folder / "vending.pickle"
    path.write_bytes(pickle.dumps(vending))
    arguments = (uri, json.dumps(options), path, duration_s)
    return run_script(folder / "script.py", SCRIPT, *arguments, limit_s=duration_s + 60.0)


def assert_no_secret(ended: Ended, secrets: list[str]) -> None:
    assert (ended.returncode, ended.err) == (0, ""), ended.err
    assert "epochs" in ended.out
    for secret in secrets:
        for written in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode()):
            assert written not in ended.out


def without_keys(store: ObjectStore) -> dict[str, str]:
    """The options of a store but for its credentials."""
    words = ("access_key", "account_key", "storage_key")
    return {k: v for k, v in store.storage_options.items() if not any(w in k for w in words)}


@pytest.mark.one_in(3)
@pytest.mark.timeout(200)
@pytest.mark.parametrize("said_s", [LIFETIME_S, 3600.0], ids=["on time", "early"])
@pytest.mark.parametrize(
    ("transport", "num_workers"), [("fsspec", 0), ("fsspec", 2), ("obstore", 0)]
)
def test_keys_of_s3_that_expire_are_replaced_and_never_show(
    s3: ObjectStore,
    table: Path,
    tmp_path: Path,
    transport: str,
    num_workers: int,
    said_s: float,
    stress: bool,
) -> None:
    uri = s3.upload(table, "credentials/table")
    with run_proxy(s3.port, tmp_path / "proxy") as proxy:
        proxy.set(Settings(latency=Latency.fixed(0.02)))
        options: dict[str, Any] = {
            "storage_options": without_keys(s3.via(proxy.port)),
            "transport": transport,
            "num_workers": num_workers,
        }
        vending = S3Vending(proxy, LIFETIME_S, said_s)
        ended = run(tmp_path, uri, options, vending, 60.0 if stress else 4.0)
        statistics = proxy.statistics()
    assert_no_secret(ended, list(VENDED.values()))
    if said_s > LIFETIME_S:
        assert statistics.faults["expired"] >= 1


@pytest.mark.one_in(3)
@pytest.mark.timeout(200)
@pytest.mark.parametrize("transport", ["fsspec", "obstore"])
def test_signatures_of_azure_that_expire_are_replaced_and_never_show(
    azure: ObjectStore, table: Path, tmp_path: Path, transport: str, stress: bool
) -> None:
    uri = azure.upload(table, "credentials/table")
    options: dict[str, Any] = {
        "storage_options": without_keys(azure),
        "transport": transport,
        "num_workers": 0,
    }
    ended = run(tmp_path, uri, options, AzureVending(LIFETIME_S), 60.0 if stress else 4.0)
    assert_no_secret(ended, [ACCOUNT_KEY])
    # Azure's client logs URLs, and leaves signatures out.
    assert re.search(r"sig=(?!REDACTED)", ended.out) is None
