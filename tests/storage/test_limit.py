from __future__ import annotations

import anyio

from deltastream.storage.limit import AdaptiveLimit, RequestLimiter


def run(limit: AdaptiveLimit, outcomes: str, start_s: float = 0.0) -> float:
    """End one request every 10 ms: ``.`` well, ``x`` turned away."""
    now_s = start_s
    for outcome in outcomes:
        now_s += 0.01
        if outcome == "x":
            limit.overloaded(started_s=now_s - 0.001, now_s=now_s)
        else:
            limit.succeeded(100_000, now_s=now_s, is_full=False)
    return now_s


def test_a_request_in_a_hundred_that_is_turned_away_does_not_cut_the_limit() -> None:
    limit = AdaptiveLimit(start=16, minimum=2, maximum=64)
    run(limit, ("." * 33 + "x") * 100)
    assert (limit.value, limit.num_cuts) == (16, 0)


def test_several_in_a_round_cut_it_and_those_that_were_in_flight_do_not_cut_it_again() -> None:
    limit = AdaptiveLimit(start=16, minimum=2, maximum=64)
    now_s = run(limit, "....xxx")
    assert (limit.value, limit.num_cuts) == (11, 1)
    for _ in range(10):
        limit.overloaded(started_s=now_s - 0.005, now_s=now_s + 0.01)
    assert limit.value == 11


def test_a_store_that_turns_everything_away_is_asked_by_few() -> None:
    limit = AdaptiveLimit(start=64, minimum=2, maximum=64)
    run(limit, "x" * 200)
    assert limit.value == 2


def test_who_asks_again_is_the_next_and_who_asks_first_waits_for_its_turn() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = RequestLimiter(AdaptiveLimit(start=1, minimum=1, maximum=1))

        async def ask(name: str, *, is_retry: bool = False) -> None:
            async with limiter.slot(is_retry=is_retry):
                order.append(name)

        async with anyio.create_task_group() as tasks, limiter.slot():
            for name in ("first", "second"):
                tasks.start_soon(ask, name)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(lambda: ask("again", is_retry=True))
            await anyio.wait_all_tasks_blocked()

    anyio.run(main)
    assert order == ["again", "first", "second"]
