"""Owns the way back from a microbatch's number to its rows, through the machinery that reads them, without the data."""

from __future__ import annotations

from deltastream.dataset.epochs import Position
from deltastream.dataset.progress import Progress
from deltastream.dataset.provenance import OriginBuilder, Origins, Provenance, Trail
from deltastream.dataset.topology import Topology
from deltastream.engine.budget import Charge
from deltastream.engine.buffers import BufferPool
from deltastream.errors import OptionError
from deltastream.options import whole_number
from deltastream.pipeline import LaneKey, ReadEngine, ReadOptions
from deltastream.plan import Window

__all__ = ["locate"]


class _Builder(OriginBuilder):
    def __init__(self, window: Window, charge: Charge) -> None:
        super().__init__(window)
        # Nothing is decoded.
        charge.release()


class _OriginChunks:
    holds_decoded = False
    row_nbytes = 0

    def begin(self, window: Window, charge: Charge, buffers: BufferPool) -> _Builder:
        return _Builder(window, charge)

    def stop(self) -> None:
        """There is nothing that runs long."""


def locate(
    progress: Progress, topology: Topology, *, microbatch: int | None, epoch: int | None
) -> Provenance:
    """Return where the rows of a microbatch come from, by default of the next one. Blocks.

    Reads the footers of the blocks that it lies in, and the deletion vectors and filter columns of their files.

    Raises:
        OptionError: There is no such microbatch; or the next one is asked for, and nobody knows which it is: see
            `DeltaDataset.state_dict`.
        ReadError: A file is missing, or is not what the log promised.
    """
    plan = progress.plan
    if epoch is None or microbatch is None:
        state = progress.state(1)
        epoch = state.epoch if epoch is None else epoch
        microbatch = state.next_microbatch if microbatch is None else microbatch
    epoch = Position(epoch, 0).epoch
    microbatch = whole_number("microbatch", microbatch, least=0)
    if microbatch >= plan.num_microbatches:
        raise OptionError(
            f"an epoch has {plan.num_microbatches} microbatches, counted from 0: there is no number {microbatch}"
        )
    options = ReadOptions(topology.budget(1), topology.threads(1)[0])
    order = plan.epoch(epoch, lanes=progress.used_lanes())
    span = order.microbatch(microbatch)
    key: LaneKey = (span.lane, False)
    trail = Trail()
    engine: ReadEngine[Origins] = ReadEngine(
        plan, order, iter([(key, span)]), _OriginChunks(), options
    )
    try:
        while trail.stop(key) < span.stop:
            trail.add(*engine.channel.receive())
    finally:
        engine.close()
    paths, rows = trail.cut(
        key, span.start, span.stop, fill=plan.order.batch_size if plan.pad else None
    )
    snapshot = plan.snapshot
    return Provenance(snapshot.table_uri, snapshot.version, epoch, microbatch, paths, *rows.T)
