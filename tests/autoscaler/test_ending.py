"""Background tasks end, even one whose client has lost a cancellation."""

import asyncio

from autoscaler.ending import end_tasks


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
