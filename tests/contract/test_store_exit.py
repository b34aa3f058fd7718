"""A process that reads from a store, in workers of any kind, ends soon however it ends: silent, nothing left open."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from deltastream import FieldSpec, create_pytorch_dataloader
from tests.support.children import Ended, run_script
from tests.support.loaders import row_ids
from tests.support.servers.access import Access
from tests.support.servers.store import ObjectStore
from tests.support.tables import write_numbered

END_LIMIT_S = 6.0
"""A second, the interpreter's own exit, that of two workers; and a busy machine."""

CLOSED_LIMIT_S = 2.0
"""Less than a pool keeps a connection that nobody uses: one that was not given up is still open then."""

SETTINGS: dict[str, Any] = {"batch_size": 8, "shuffle": True, "lanes": 4, "shuffle_rows": 200}

# Spawned and forkserver workers import the script: what it does is behind its last line.
START = f"""
import json, os, sys, threading, time
from deltastream import FieldSpec, create_pytorch_dataloader

def loader(**options):
    arguments = {{"fields": [FieldSpec("id")], **{SETTINGS!r}, **json.loads(sys.argv[3])}}
    if sys.argv[2] != "none":
        arguments |= {{"num_workers": 2, "multiprocessing_context": sys.argv[2]}}
    return create_pytorch_dataloader(sys.argv[1], **arguments | options)

def ready():
    print("ready", flush=True)

if __name__ == "__main__":
"""

_TRACKER = re.compile(
    r"Traceback \(most recent call last\):\n(?:(?!Traceback).*\n)+?FileNotFoundError.*\n\nDuring .*\n\n"
    r"Traceback .*\n(?:  .*\n)+UserWarning: resource_tracker: '/mp-\S+': .*\n"
)
"""What multiprocessing's tracker says where a thread of torch's queues gives up a semaphore as the process ends."""

CONTEXTS = ["none", "fork", "forkserver", "spawn"]

ENDS: dict[str, tuple[str, int, str]] = {
    "interpreter": ("batches = iter(loader())\nnext(batches)\nready()\n", 0, ""),
    "dropped": (
        "batches = iter(loader())\nnext(batches)\ndel batches\nlist(loader())\nready()\n",
        0,
        "",
    ),
    "sys.exit": ("for batch in loader():\n    ready()\n    sys.exit(3)\n", 3, ""),
    "exception": (
        "for batch in loader():\n    ready()\n    raise ValueError('mine')\n",
        1,
        "ValueError: mine",
    ),
    "Ctrl-C": (
        # Both workers run by the second batch: one that was interrupted as it starts would say so itself.
        "for i, batch in enumerate(loader()):\n"
        "    if i == 1:\n"
        "        ready()\n"
        "        time.sleep(60)\n",
        -signal.SIGINT,
        "KeyboardInterrupt",
    ),
}
"""What the script does, its exit code, and the last line that it says."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("store-exit") / "table", [500, 500, 500, 500])


def run(
    access: Access, table: Path, folder: Path, context: str, body: str, **options: bool
) -> Ended:
    source = START + "".join(f"    {line}\n" for line in body.splitlines())
    said = access.options
    if context == "fork" and access.transport == "obstore":
        # Refused there: "auto" reads the log with it, and in the workers does without.
        said["transport"] = "auto"
    arguments = (access.put(table), context, json.dumps(said))
    return run_script(folder / "script.py", source, *arguments, **options)


def said(ended: Ended) -> str:
    return _TRACKER.sub("", ended.err)


@pytest.mark.one_in(17)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_process_ends_soon_and_silent_in_the_middle_of_an_epoch(
    remote_access: Access, table: Path, tmp_path: Path, context: str, end: str
) -> None:
    body, returncode, last_line = ENDS[end]
    signalled = end == "Ctrl-C"
    ended = run(remote_access, table, tmp_path, context, body, interrupt=signalled, group=signalled)
    assert ended.returncode == returncode, ended.err
    lines = said(ended).splitlines()
    if last_line:
        assert lines[0] == "Traceback (most recent call last):", ended.err
        assert lines[-1] == last_line, ended.err
    else:
        assert not lines, ended.err
    for left in ("Exception ignored", "Unclosed", "never retrieved"):
        assert left not in ended.err, ended.err
    assert ended.since_ready_s < END_LIMIT_S, ended


@pytest.mark.one_in(5)
@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_of_every_kind_give_the_local_order_and_leave_nothing_behind(
    remote_access: Access, table: Path, tmp_path: Path, context: str
) -> None:
    body = (
        "made = loader(**({} if sys.argv[2] == 'none' else {'persistent_workers': True}))\n"
        "print([[row for batch in made for row in batch['id'].tolist()] for _ in range(2)])\n"
        "ready()\n"
        "names = [t.name for t in threading.enumerate() if t.name.startswith('deltastream')]\n"
        "assert not names, names\n"
    )
    ended = run(remote_access, table, tmp_path, context, body)
    assert (ended.returncode, said(ended)) == (0, "")
    assert ended.since_ready_s < END_LIMIT_S, ended
    local = create_pytorch_dataloader(table, fields=[FieldSpec("id")], **SETTINGS)
    assert json.loads(ended.out.splitlines()[0]) == [row_ids(local) for _ in range(2)]


@pytest.mark.one_in(3)
def test_connections_are_closed_with_the_iterator_that_used_them(
    remote_access: Access, table: Path, tmp_path: Path
) -> None:
    body = (
        "def sockets():\n"
        "    found = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "    return sum(os.readlink(one).startswith('socket:') for one in found if os.path.exists(one))\n"
        "made = loader()\n"
        "list(made)\n"
        "before = sockets()\n"
        "for _ in range(4):\n"
        "    batches = iter(made)\n"
        "    next(batches)\n"
        "    del batches\n"
        "list(made)\n"
        "ready()\n"
        # obstore's runtime closes what was given up in threads of its own.
        f"until = time.monotonic() + {CLOSED_LIMIT_S}\n"
        "while sockets() > before and time.monotonic() < until:\n"
        "    time.sleep(0.01)\n"
        "assert sockets() <= before, (before, sockets())\n"
    )
    ended = run(remote_access, table, tmp_path, "none", body)
    assert (ended.returncode, ended.err) == (0, "")


def test_obstore_is_refused_in_a_fork_of_a_process_that_had_it(
    s3: ObjectStore, table: Path, tmp_path: Path
) -> None:
    ended = run(
        Access(s3, "obstore"),
        table,
        tmp_path,
        "none",
        "ready()\nlist(loader(num_workers=2, multiprocessing_context='fork'))\n",
    )
    assert ended.returncode == 1
    assert 'OptionError: transport="obstore" does not work in a process forked' in ended.err
    assert 'multiprocessing_context="forkserver"' in ended.err
    assert ended.since_ready_s < END_LIMIT_S, ended
