"""The examples of README and documentation run as they stand, page by page, and print what they say.

A page's Python blocks run in their order, in one module, in a folder that has the tables ``data/digits`` and
``data/images``. A block titled ``NAME.py`` becomes a module to import instead. A ``text`` block right after a Python
block is what that prints; ``...`` stands for anything. A block under ``<!-- no-run: why -->`` is left out.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shutil
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs" / "start").glob("*.md")),
    *sorted((REPOSITORY / "docs" / "how-to").glob("*.md")),
    *sorted((REPOSITORY / "docs" / "reference").glob("*.md")),
]
MAX_LEFT_OUT = 2
PAGE_MODULE = "deltastream_example_page"

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\s*^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NO_RUN = re.compile(r"<!-- no-run: .+ -->\s*\Z")
_TITLE = re.compile(r'title="(\w+)\.py"')


@dataclass(frozen=True, slots=True)
class Example:
    """One Python block of a page."""

    code: str
    line: int
    """The line of the page before its first one."""
    module: str | None
    is_run: bool
    output: str | None


def read_examples(text: str) -> list[Example]:
    found = []
    for fence in _FENCE.finditer(text):
        if fence[1] == "python":
            title = _TITLE.search(fence[2])
            output = _OUTPUT.match(text, fence.end())
            found.append(
                Example(
                    fence[3],
                    text.count("\n", 0, fence.start(3)),
                    title[1] if title else None,
                    _NO_RUN.search(text[: fence.start()]) is None,
                    output[1] if output else None,
                )
            )
    return found


def write_tables(folder: Path) -> None:
    """Write the tables that pages may read: 1,500 rows in 10 commits, and 100 rows in one."""
    rng = np.random.default_rng(0)
    for rows in np.array_split(np.arange(1_500), 10):
        pixels = rng.integers(0, 256, (len(rows), 64), np.uint8)
        features = [row.tobytes() for row in pixels]
        table = pa.table({"id": rows, "label": rows % 10, "features": features})
        deltalake.write_deltalake(folder / "digits", table, mode="append")
    images = []
    for row in range(100):
        content = io.BytesIO()
        pixels = rng.integers(0, 256, (20 + row % 5, 20), np.uint8)
        Image.fromarray(pixels).save(content, "PNG")
        images.append(content.getvalue())
    rows = np.arange(100)
    table = pa.table({"id": rows, "label": rows % 10, "image": images})
    deltalake.write_deltalake(folder / "images", table)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    return folder


@pytest.fixture
def page_module(tmp_path: Path) -> Iterator[types.ModuleType]:
    """A module to run a page in; workers find it by its name."""
    module = types.ModuleType(PAGE_MODULE)
    sys.modules[PAGE_MODULE] = module
    before = set(sys.modules)
    yield module
    for name in set(sys.modules) - before:
        # Another page may have a module of the same name.
        if (tmp_path / f"{name}.py").is_file():
            del sys.modules[name]
    del sys.modules[PAGE_MODULE]


# Workers are started here that a small machine has no cores for.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_the_examples_of_a_page_run_and_print_what_they_say(
    page: Path,
    tables: Path,
    page_module: types.ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = page.read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("digits", "images"):
        # A page that writes a table begins without it.
        if f'write_deltalake("data/{name}"' not in text:
            shutil.copytree(tables / name, tmp_path / "data" / name)
    checker, ellipsis = doctest.OutputChecker(), doctest.ELLIPSIS
    for example in read_examples(text):
        if not example.is_run:
            continue
        if example.module is not None:
            (tmp_path / f"{example.module}.py").write_text(example.code)
            continue
        # Errors name the page's own lines.
        code = compile("\n" * example.line + example.code, str(page), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, page_module.__dict__)
        if example.output is not None:
            assert checker.check_output(example.output, printed.getvalue(), ellipsis), (
                f"{page}, line {example.line}: expected\n{example.output}\ngot\n{printed.getvalue()}"
            )
    # Iterators that were left early end with their names.
    page_module.__dict__.clear()


def test_few_examples_are_left_out() -> None:
    examples = [example for page in PAGES for example in read_examples(page.read_text())]
    assert len(examples) > 25
    assert sum(not example.is_run for example in examples) <= MAX_LEFT_OUT


def test_the_readme_and_contributing_stay_short() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        assert len((REPOSITORY / name).read_text().splitlines()) < 120, name
