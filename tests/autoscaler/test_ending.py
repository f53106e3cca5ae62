"""Background tasks end, even one whose client has lost a cancellation."""

import asyncio

import pytest

from autoscaler.ending import end_tasks, unless


async def test_a_task_which_loses_a_cancellation_is_told_again() -> None:
    lost = 0

    async def client() -> None:
        nonlocal lost
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if lost >= 2:
                raise
            lost += 1

    async def follow() -> None:
        while True:
            await client()

    async with asyncio.timeout(20):
        task = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await end_tasks([task])
    assert task.cancelled()
    assert lost == 2


async def test_tasks_which_have_ended_or_failed_are_no_matter() -> None:
    async def fail() -> None:
        raise RuntimeError("defect")

    failed = asyncio.create_task(fail())
    await asyncio.wait([failed])
    await end_tasks([failed])
    await end_tasks([])
    assert isinstance(failed.exception(), RuntimeError)


async def test_the_end_is_heard_by_work_that_loses_its_cancellation() -> None:
    """A takeover recalls memories from the store, whose client does so on Python 3.11."""
    ending = asyncio.Event()
    deaf = True

    async def take_over() -> None:
        nonlocal deaf
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not deaf:
                    raise
                deaf = False

    async with asyncio.timeout(20):
        working = asyncio.create_task(unless(ending, take_over()))
        await asyncio.sleep(0)
        ending.set()
        assert not await working


async def test_work_that_is_done_or_fails_before_the_end_says_so() -> None:
    ending = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("defect")

    assert await unless(ending, asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="defect"):
        await unless(ending, fail())
    ending.set()
    assert not await unless(ending, asyncio.sleep(60))
