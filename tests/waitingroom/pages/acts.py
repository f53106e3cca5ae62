"""What happens in the scenes: what operators do, what befalls a line, what devices do."""

from tests.waitingroom.living import JSON
from tests.waitingroom.pages.browsing import crowd, let_in, operate, snapshot, until
from tests.waitingroom.pages.scenes import Play, Scene, Stage, Visitor, come, notice_it


def with_crowd(people: int) -> Play:
    """Have so many in line before the devices come."""

    async def gather(stage: Stage, scene: Scene) -> None:
        await crowd(stage.client, scene.living(stage), people, scene.name)

    return gather


def released(share: float) -> Play:
    """Let a share of the line in."""

    async def release(stage: Stage, scene: Scene) -> None:
        tail = snapshot(scene.living(stage), scene.name).tail
        await let_in(stage.client, scene.living(stage), round(share * tail), scene.name)

    return release


def operated(**fields: str) -> Play:
    """Do what an operator does."""

    async def act(stage: Stage, scene: Scene) -> None:
        await operate(stage.client, scene.living(stage), scene.name, **fields)

    return act


async def slow_down(stage: Stage, scene: Scene) -> None:
    """Let the line move for a while, then more slowly, as an operator wants it."""
    room = stage.room.rooms[scene.name]
    await until(lambda: room.eta.knots)
    await operate(stage.client, stage.room, scene.name, ops_rate="1.5")
    await until(lambda: room.eta.slowdown)


async def await_the_opening(stage: Stage, scene: Scene) -> None:
    """Wait until the sale has opened, and its draw for the beacon."""
    await until(lambda: snapshot(stage.room, scene.name).awaits_beacon)


async def miss_the_turn(stage: Stage, scene: Scene) -> None:
    """Let all in, and the time to enter pass."""
    tail = snapshot(stage.room, scene.name).tail
    await operate(stage.client, stage.room, scene.name, hold="")
    await until(lambda: snapshot(stage.room, scene.name).lines[0].settled >= tail)
    await operate(stage.client, stage.room, scene.name, hold="not yet")


async def end_of_stay(stage: Stage, scene: Scene) -> None:
    """Let all in."""
    await operate(stage.client, stage.room, scene.name, hold="")


async def cut_the_room(stage: Stage, scene: Scene) -> None:
    """Cut the devices off."""
    stage.room_cable.cut()


async def cut_the_store(stage: Stage, scene: Scene) -> None:
    """Cut the room off from its store."""
    stage.store_cable.cut()
    await until(lambda: stage.cut_room.rooms[scene.name].stale)


async def mend_the_store(stage: Stage, scene: Scene) -> None:
    """Have the store there, with some people in line."""
    stage.store_cable.whole = True
    await until(lambda: not stage.cut_room.rooms[scene.name].stale)
    await crowd(stage.client, stage.cut_room, 2400, scene.name)


async def be_told(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Ask to be told of the turn."""
    await visitor.press("Tell me when it is my turn")


async def have_come_long_ago(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Have come when half as many again were ahead."""
    assert visitor.number is not None
    place = f"{snapshot(stage.room, scene.name).epoch}.{visitor.number}"
    kept = f"{place}.{visitor.number * 3 // 2}"
    await visitor.page.context.add_cookies(
        [{"name": "tidegate_start", "value": kept, "domain": "127.0.0.1", "path": f"/{scene.name}"}]
    )
    await come(stage, scene, visitor)


async def go_in(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Enter the shop, and come back to the page."""
    await notice_it(stage, scene, visitor)
    await visitor.press("Enter the shop")
    await visitor.page.wait_for_url("**/shop")
    await come(stage, scene, visitor)


async def come_back_too_late(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Enter the shop, stay too long, and try again."""
    inside = snapshot(stage.room, scene.name).claimed
    await go_in(stage, scene, visitor)
    room = stage.room.rooms[scene.name]
    await until(lambda: room.snapshot and room.snapshot.claimed > inside and room.snapshot.sessions == 0)
    # "Go to the shop", or "Enter the shop" once the browser has dropped the pass.
    await visitor.page.locator("#enter button").click()


async def ask_late(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Ask to enter after the turn has passed."""
    await notice_it(stage, scene, visitor)
    await visitor.press("Enter the shop")


async def submit_the_form(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Join by the form, as browsers without scripts do."""
    await come(stage, scene, visitor)
    if visitor.scripts:
        await visitor.page.evaluate("document.getElementById('join').submit()")
    else:
        await visitor.press("Join the line")


async def bring_an_expired_token(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Come by a link of the day before yesterday."""
    token = stage.inviting.invite("member-7", aud=scene.name, iat=1, exp=2)
    await visitor.page.goto(f"{scene.address(stage)}?token={token}")


async def join_elsewhere(stage: Stage, scene: Scene) -> None:
    """Give the account a place on another device."""
    async with stage.room.buyer() as other:
        token = stage.inviting.invite("member-7", aud=scene.name)
        async with other.post(f"{scene.address(stage)}join", json={"token": token}) as answer:
            assert answer.status == 200


async def bring_the_same_account(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Join for an account that has a place."""
    token = stage.inviting.invite("member-7", aud=scene.name)
    await visitor.page.goto(f"{scene.address(stage)}?token={token}")
    if not visitor.scripts:
        await visitor.press("Join the line")


async def lose_it_to_another(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Have another device take the place over by a code."""
    address = scene.address(stage)
    answer = await visitor.page.context.request.post(f"{address}code", headers=JSON)
    code = (await answer.json())["code"]
    async with stage.room.buyer() as other, other.post(f"{address}move", json={"code": code}) as moved:
        assert moved.status == 200
    await come(stage, scene, visitor)


async def get_a_code(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Ask for a code."""
    await visitor.page.locator("#devices summary").click()
    await visitor.press("Get a code to move my place")


async def type_a_wrong_code(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Type a code that is none."""
    await visitor.page.locator("#devices summary").click()
    await visitor.page.locator("#typed").fill("WRONG")
    await visitor.press("Bring my place here")


async def go_astray(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Open an address at which there is no sale."""
    await visitor.page.goto(f"{stage.room.room}/no-such-sale/")
