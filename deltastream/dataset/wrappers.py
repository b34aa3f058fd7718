"""Owns the check that nothing around a dataset batches its batches or divides its share once more.

Trainers do that where they do not know better, without a word: with two ranks half of the rows would be left out. No
hook tells a dataset what it is wrapped in, but whoever iterates it, or sends it to a worker, is among its callers.
"""

from __future__ import annotations

import sys
from types import FrameType

from deltastream.errors import OptionError

__all__ = ["check_wrappers"]

_FETCH = "torch.utils.data._utils.fetch"
_SHARDING = ("accelerate.data_loader", "transformers.trainer_pt_utils")


def check_wrappers(dataset: object, *, num_ranks: int) -> None:
    """Look through the callers, of the parent too where a worker was forked.

    Raises:
        OptionError: A DataLoader makes batches of batches, or something divides a rank's share among the ranks.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module == _FETCH and _batches_again(frame, dataset):
            raise OptionError(
                "a DataLoader makes batches of this dataset's batches, which are whole already: use "
                "DeltaDataLoader(dataset) or DataLoader(dataset, batch_size=None); with transformers' Trainer return "
                "the loader from get_train_dataloader(), and resume with ignore_data_skip=True"
            )
        if module in _SHARDING and num_ranks > 1 and _shards(frame.f_locals.get("self")):
            raise OptionError(
                f"{module} divides among the ranks what is already one rank's share, so that rows would be lost: give "
                "Accelerator.prepare() a DeltaDataLoader, which it leaves as it is; with transformers' Trainer return "
                "that from get_train_dataloader()"
            )
        frame = frame.f_back


def _batches_again(frame: FrameType, dataset: object) -> bool:
    names = frame.f_locals
    return names.get("dataset") is dataset and bool(names.get("auto_collation"))


def _shards(wrapper: object) -> bool:
    name = type(wrapper).__name__
    if name == "IterableDatasetShard":
        return getattr(wrapper, "num_processes", 1) > 1
    return name == "DataLoaderDispatcher"
