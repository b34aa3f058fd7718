"""What every test stands on: one seed, a run's length, the anyio backend, the outside data, nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["tests.support.servers.fixtures"]

SEED = int(os.environ.get("DELTASTREAM_SEED", "0"))
STRESS = os.environ.get("DELTASTREAM_STRESS", "") not in ("", "0")
THREAD_END_TIMEOUT_S = 5.0

# No database: a run depends on the seed alone, not on what failed before.
hypothesis.settings.register_profile(
    "deltastream",
    deadline=None,
    max_examples=300 if STRESS else 30,
    database=None,
    print_blob=True,
)
hypothesis.settings.load_profile("deltastream")


def pytest_report_header() -> str:
    return f"deltastream: DELTASTREAM_SEED={SEED} DELTASTREAM_STRESS={int(STRESS)}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "one_in(n): of the cases of this test one in n, by the seed; under stress all"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seen: Counter[object] = Counter()
    left_out = []
    for item in items:
        if not STRESS and (marker := item.get_closest_marker("one_in")) is not None:
            place = (item.path, getattr(item, "originalname", None))
            if (seen[place] - SEED) % marker.args[0]:
                left_out.append(item)
            seen[place] += 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        dropped = set(left_out)
        items[:] = [item for item in items if item not in dropped]
    for item in items:
        test = getattr(item, "obj", None)
        if test is not None and hypothesis.is_hypothesis_test(test):
            # A method takes no attributes, the function behind it does.
            hypothesis.seed(SEED)(getattr(test, "__func__", test))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run: whatever a test draws at random comes from it."""
    return SEED


@pytest.fixture(scope="session")
def stress() -> bool:
    """Whether this run may take ten times as long."""
    return STRESS


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real Delta tables with their expected content, ``manifest.json`` in it."""
    folder = _outside_data("DELTASTREAM_CORPUS", "Delta tables")
    if not (folder / "manifest.json").is_file() or not any((folder / "tables").glob("*")):
        pytest.fail(
            f"DELTASTREAM_CORPUS={folder} has no manifest.json or no tables/", pytrace=False
        )
    return folder


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of the four MNIST files ``*-ubyte.gz``."""
    folder = _outside_data("DELTASTREAM_MNIST", "MNIST files")
    if len(list(folder.glob("*-ubyte.gz"))) < 4:
        pytest.fail(f"DELTASTREAM_MNIST={folder} has no four *-ubyte.gz files", pytrace=False)
    return folder


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [
        thread
        for thread in threading.enumerate()
        if thread not in before and thread.name.startswith("deltastream-")
    ]
    for thread in left:
        thread.join(THREAD_END_TIMEOUT_S / len(left))
    names = [thread.name for thread in left if thread.is_alive()]
    assert not names, f"threads outlive the test: {names}"
    workers = [child for child in multiprocessing.active_children() if child.daemon]
    assert not workers, f"workers outlive the test: {workers}; see tests/support/workers.py"


def _outside_data(variable: str, what: str) -> Path:
    # Unset means that it is not here; set but wrong must never pass for that.
    value = os.environ.get(variable)
    if value is None:
        pytest.skip(f"set {variable} to a folder of {what} to run this test")
    if not value:
        pytest.fail(
            f"{variable} is set and empty: unset it, or set it to a folder of {what}", pytrace=False
        )
    return Path(value).resolve()
