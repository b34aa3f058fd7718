"""Owns `DeltaDataLoader`: torch's DataLoader over a dataset whose batches arrive whole."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from multiprocessing.reduction import ForkingPickler
from typing import Any

from torch.utils.data import DataLoader

from deltastream.batch import PackedBatch
from deltastream.dataset import BatchIterator, DeltaDataset, count_batches
from deltastream.errors import OptionError
from deltastream.options import whole_number
from deltastream.pipeline import PipelineStatistics

__all__ = ["DeltaDataLoader"]


class DeltaDataLoader(DataLoader[Any]):
    """A `torch.utils.data.DataLoader` over a `DeltaDataset`.

    The dataset decides batches and order, so torch neither samples nor batches; `batch_size` and `drop_last` tell the
    dataset's. Every ``iter()`` is the next epoch.
    """

    dataset: DeltaDataset

    # Accelerate would divide each rank's share among the ranks; so marked, `prepare` returns the loader as it is.
    _is_accelerate_prepared = True
    # So marked, its `save_state` and `load_state` keep the loader's state too.
    use_stateful_dataloader = True

    def __init__(
        self,
        dataset: DeltaDataset,
        *,
        collate_fn: Callable[[Any], Any] | None = None,
        **dataloader_kwargs: Any,
    ) -> None:
        """Wrap `dataset`; `collate_fn` is called with each batch, `dataloader_kwargs` are torch's.

        Raises:
            OptionError: An argument would sample or batch a second time, or a transform cannot go to the workers.
        """
        # Lightning makes loaders again, for predict(), from what they tell of themselves: that changes nothing.
        told = {"batch_size": dataset.batch_size, "drop_last": dataset.drop_last}
        for name in ("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last"):
            value = dataloader_kwargs.pop(name, None)
            if value is not None and value != told.get(name):
                raise OptionError(
                    f"{name} is the dataset's: order and batches are decided there, a DataLoader cannot change them"
                )
        num_workers = whole_number("num_workers", dataloader_kwargs.pop("num_workers", 0), least=0)
        if num_workers > 0:
            _check_picklable(dataset)
        collate = _identity if collate_fn is None else collate_fn
        if not callable(collate):
            raise OptionError(f"collate_fn must be a function of a list of rows, got {collate!r}")
        if collate is not _identity and getattr(collate, "func", None) is not _collate:
            collate = functools.partial(_collate, collate)
        super().__init__(
            dataset,
            batch_size=None,
            collate_fn=collate,
            num_workers=num_workers,
            **dataloader_kwargs,
        )
        # torch forbids to set these after __init__, because its samplers would not follow; there are none here.
        self.__dict__["batch_size"] = dataset.batch_size
        self.__dict__["drop_last"] = dataset.drop_last
        dataset.progress.num_workers = max(1, num_workers)

    def __iter__(self) -> Any:
        """Start the next epoch, or what is left of the one that a state is in."""
        self.dataset.check_ranks()
        if self.num_workers > 0:
            with self.dataset.progress.hand_to_workers(self.num_workers) as cursor:
                return count_batches(super().__iter__(), cursor)
        if self.pin_memory:
            return super().__iter__()
        # torch's own iterator adds 12 us to every batch here, a fifth of what 34 views cost, and nothing else.
        batches = iter(self.dataset)
        if self.collate_fn is _identity:
            return batches
        if not isinstance(batches, BatchIterator):
            # In a worker of somebody else's loader.
            return map(self.collate_fn, batches)
        batches.collate_with(self.collate_fn)
        return batches

    def __len__(self) -> int:
        """Return the number of batches of this rank, exactly: of the iteration at hand, or else of the next one."""
        return self.dataset.progress.num_steps()

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration epoch `epoch`: from its start, or from a state in it that was just loaded."""
        self.dataset.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is: behind the last batch that the latest iteration gave, whatever was read ahead.

        A few hundred bytes, to be kept as JSON; at the end of an epoch the start of the next one. After equally many
        steps it is the same on every rank.

        Raises:
            OptionError: With ``in_order=False`` batches come as they are ready, and no position says which ones came.
        """
        # torch has had the option since 2.6.
        if self.num_workers > 1 and not getattr(self, "in_order", True):
            raise OptionError(
                "in_order=False gives batches as they are ready, so no position in the order says which ones were "
                "given: a loader that is to be resumed needs in_order=True"
            )
        return self.dataset.progress.state(max(1, self.num_workers)).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next iteration go on where `state` was taken: see `DeltaDataset.load_state_dict`.

        Raises:
            OptionError: The state does not fit: the message names every difference, with both values.
            VersionNotFoundError: The commits of the state's version were cleaned.
        """
        self.dataset.load_state_dict(state)
        # Persistent workers may have been started with the plan of another version.
        self._iterator = None

    def statistics(self) -> PipelineStatistics:
        """Return what each stage of the current iteration did; with ``num_workers=0`` only."""
        return self.dataset.statistics()


def _identity(batch: Any) -> Any:
    return batch


def _collate(collate_fn: Callable[[Any], Any], batch: Any) -> Any:
    return collate_fn(batch.unpack() if isinstance(batch, PackedBatch) else batch)


def _check_picklable(dataset: DeltaDataset) -> None:
    for field in dataset.fields:
        try:
            ForkingPickler.dumps(field.transform)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                f"field {field.target!r}: its transform {field.transform!r} cannot be pickled, so no worker can get "
                "it: define it at the top of a module that can be imported (not in a notebook, not as a lambda), or "
                "use num_workers=0, where it runs in the decode threads"
            ) from error
