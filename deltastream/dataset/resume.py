"""Owns what a saved state means for a dataset at hand: whether it fits, and where it then goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from deltastream.dataset.epochs import Position
from deltastream.dataset.plan import BatchPlan
from deltastream.dataset.planning import BatchRequest, plan_batches
from deltastream.dataset.state import LoaderState, abbreviate
from deltastream.errors import OptionError, VersionNotFoundError
from deltastream.plan import rebatch
from deltastream.predicate import parse_filter, text_of

__all__ = ["check_fit", "describe", "plan_of_state", "position_of_state"]


def describe(
    request: BatchRequest, plan: BatchPlan, position: Position, *, lanes: int, pad: bool | None
) -> LoaderState:
    """Return the state of a loader at `position`."""
    order, rows = plan.order, request.rows
    condition = None if rows.filter is None else abbreviate(text_of(parse_filter(rows.filter)))
    partitions = rows.partition_filter
    return LoaderState(
        table_uri=plan.snapshot.table_uri,
        table_id=plan.snapshot.table_id,
        version=plan.snapshot.version,
        num_rows=plan.num_rows,
        columns=abbreviate(", ".join(sorted(_leaves(plan.projection.schema)))),
        filter=condition,
        partition_filter=None if partitions is None else abbreviate(repr(partitions)),
        shuffle=order.shuffle,
        seed=order.seed if order.shuffle else None,
        shuffle_rows=order.shuffle_rows if order.shuffle else None,
        shuffle_nbytes=order.shuffle_nbytes if order.shuffle else None,
        batch_size=order.batch_size,
        lanes=lanes,
        drop_last=order.drop_last,
        pad=pad,
        epoch=position.epoch,
        next_microbatch=position.microbatch,
    )


def plan_of_state(
    state: LoaderState,
    request: BatchRequest,
    plan: BatchPlan,
    *,
    pad: bool | None,
    may_open: bool,
) -> BatchPlan:
    """Return the plan to go on with: that of the state's version, where `request` did not name one.

    `pad` is what the loader's user asked for; `may_open`: whether another version may be opened here.

    Raises:
        OptionError: The state is of another table, or pads otherwise.
        VersionNotFoundError: The version's commits were cleaned.
    """
    if state.table_id != plan.snapshot.table_id:
        raise _misfit([f"table_id: the state has {state.table_id}, {_name(plan)}"])
    rows = request.rows
    is_latest = rows.version is None and rows.timestamp is None
    if may_open and is_latest and state.version != plan.snapshot.version:
        rows = replace(rows, version=state.version)
        try:
            plan = plan_batches(replace(request, rows=rows, pad=plan.pad))
        except VersionNotFoundError as error:
            raise VersionNotFoundError(
                f"the state is a position in version {state.version} of {plan.snapshot.table_uri}, which cannot be "
                f"opened any more: {error}. Begin anew with the version at hand, without the state; a longer "
                "delta.logRetentionDuration keeps commits for as long as a training takes"
            ) from error
    if state.pad is not None:
        if pad is not None and pad != state.pad:
            raise _misfit([f"pad: the state has {state.pad}, this loader {pad}"])
        if plan.pad != state.pad:
            plan = replace(plan, pad=state.pad)
    return plan


def check_fit(state: LoaderState, here: LoaderState, *, lanes: int | None) -> None:
    """Compare a state with that of the loader at hand; `lanes` are those that its user asked for.

    Raises:
        OptionError: They do not fit; it names every difference.
    """
    found = state.differences(here)
    if lanes not in (None, state.lanes):
        found.append(f"lanes: the state has {state.lanes}, this loader {lanes}")
    if found:
        raise _misfit(found)


def position_of_state(state: LoaderState, plan: BatchPlan) -> Position:
    """Return where the plan's sequence goes on.

    Raises:
        OptionError: The batch size is another, and the order does not allow that here; or there is no such place.
    """
    microbatch = rebatch(
        state.next_microbatch,
        num_rows=plan.num_rows,
        lanes=state.lanes,
        shuffle=plan.order.shuffle,
        before=state.batch_size,
        after=plan.order.batch_size,
    )
    if state.batch_size != plan.order.batch_size:
        microbatch = min(microbatch, plan.num_microbatches)
    if microbatch > plan.num_microbatches:
        raise OptionError(
            f"the state's next_microbatch is {microbatch}, an epoch has {plan.num_microbatches}: it is damaged"
        )
    return Position(state.epoch, microbatch)


def _misfit(differences: list[str]) -> OptionError:
    return OptionError(
        "the state does not fit this loader: "
        + "; ".join(differences)
        + ". Make the loader with the state's values, or begin anew without it"
    )


def _name(plan: BatchPlan) -> str:
    return f"{plan.snapshot.table_uri} has {plan.snapshot.table_id}"


def _leaves(schema: pa.Schema) -> Iterator[str]:
    """Yield the columns that are decoded, fields of structs by their path: the sizes of windows depend on them."""
    for field in schema:
        if pa.types.is_struct(field.type):
            yield from (f"{field.name}.{name}" for name in _leaves(pa.schema(list(field.type))))
        else:
            yield field.name
