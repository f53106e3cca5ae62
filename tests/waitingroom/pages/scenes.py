"""Every state of the buyers' page, brought about for real: what a scene is, and how it is played on a room.

Each scene has an onsale of its own. It is played with a device that runs scripts and one that doesn't, at once. `repertoire` says
which scenes there are.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis

from rulebook import Onsale
from tests.ports import free_ports
from tests.stores import TcpValkey
from tests.waitingroom.living import JSON, Living, living
from tests.waitingroom.pages.browsing import PATIENCE_MS, SHUT, Cable, cable, device, port_of, state_is
from tests.waitingroom.samples import onsale
from tests.waitingroom.shopkeys import Shop, presale
from waitingroom.store.connect import connect

TITLE = {"en": "Cactusfestival 2027"}


@dataclass(slots=True)
class Visitor:
    """A device before the page, with the number of its place once it has one."""

    page: Page
    scripts: bool
    number: int | None = None
    errors: list[str] = field(default_factory=list)
    """What its scripts failed at."""

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def press(self, button: str) -> None:
        """Press a button by its name."""
        await self.page.get_by_role("button", name=button).click()

    async def ask_number(self, address: str) -> int:
        """Return the number of this device's place as the room has it."""
        answer = await self.page.context.request.get(f"{address}status", headers=JSON)
        return int((await answer.json())["number"])


@dataclass(frozen=True, slots=True)
class Stage:
    """A room behind a cable, and another one whose store is behind a cable; an onsale for each scene in both."""

    room: Living
    room_cable: Cable
    room_address: str
    cut_room: Living
    store_cable: Cable
    client: Redis
    inviting: Shop


@dataclass(frozen=True, slots=True)
class Scene:
    """A state of the page.

    Attributes:
        name: of the scene, its picture and its onsale.
        state: the page's own name of it; "notice" for a page that says one thing.
        heading, says: what a buyer must read there: what it is, and what to do or to expect.
        sale: the onsale's terms; `opens_in_s` and `prequeue_in_s` count from now.
        placed: the buyer has a place, which must go on being there.
        before, then: what happens before the devices have come, and after.
        arrive, see: what each device does to come, and to see what happened.
        scripts: whether it comes about with scripts, without, or both.
        cuts: "room" or "store" where the way to it is cut.
    """

    name: str
    state: str
    heading: str
    says: str
    sale: Mapping[str, Any] = field(default_factory=lambda: {"admission": SHUT})
    placed: bool = False
    before: "Play | None" = None
    arrive: "Act | None" = None
    then: "Play | None" = None
    see: "Act | None" = None
    scripts: tuple[bool, ...] = (True, False)
    cuts: str = ""

    def living(self, stage: Stage) -> Living:
        """Return the room on which it is played."""
        return stage.cut_room if self.cuts == "store" else stage.room

    def address(self, stage: Stage) -> str:
        """Return the page's address, with a slash at its end."""
        origin = stage.room_address if self.cuts == "room" else self.living(stage).room
        return f"{origin}/{self.name}/"

    def document(self, shop: str) -> Onsale:
        """Return its onsale."""
        protected = [{"path": f"/{self.name}"}]
        spec = {"title": TITLE, "shop": shop, "admission": SHUT, "protect": protected} | self.sale
        prequeue_in_s = spec.pop("prequeue_in_s", None)
        if prequeue_in_s is not None:
            now = datetime.now(UTC)
            spec["opens"] = (now + timedelta(seconds=spec.pop("opens_in_s"))).isoformat()
            spec["prequeue"] = (now + timedelta(seconds=prequeue_in_s)).isoformat()
        return presale(name=self.name, **spec) if "entry" in spec else onsale(self.name, **spec)


Play = Callable[[Stage, Scene], Awaitable[object]]
Act = Callable[[Stage, Scene, Visitor], Awaitable[object]]


async def come(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Come to the page, or come back to it."""
    await visitor.page.goto(scene.address(stage))


async def join(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """Come to the page and join: by its script, or by its form."""
    await come(stage, scene, visitor)
    if not visitor.scripts:
        await visitor.press("Join the line")
    await expect(visitor.page.locator("#number")).not_to_be_empty(timeout=PATIENCE_MS)
    visitor.number = await visitor.ask_number(scene.address(stage))


async def notice_it(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """See a new state: the script finds out by itself, without it the buyer loads the page again."""
    if not visitor.scripts:
        await come(stage, scene, visitor)


async def stay(stage: Stage, scene: Scene, visitor: Visitor) -> None:
    """See what is there already."""


async def play(
    stage: Stage, scene: Scene, browser: Browser, only: bool | None = None, **options: Any
) -> dict[bool, Visitor]:
    """Play a scene; returns its visitors by whether they run scripts. `options` are those of their devices."""
    if scene.before is not None:
        await scene.before(stage, scene)
    visitors = {}
    for scripts in scene.scripts if only is None else (only,):
        context = await device(browser, java_script_enabled=scripts, **options)
        visitors[scripts] = Visitor(await context.new_page(), scripts)
    for visitor in visitors.values():
        await (scene.arrive or join)(stage, scene, visitor)
    if scene.then is not None:
        await scene.then(stage, scene)
    for visitor in visitors.values():
        await (scene.see or notice_it)(stage, scene, visitor)
        await state_is(visitor.page, scene.state)
    return visitors


@asynccontextmanager
async def stage_for(folder: Path, scenes: tuple[Scene, ...]) -> AsyncIterator[Stage]:
    """Have everything up that the scenes are played on."""

    async def welcome(request: web.Request) -> web.Response:
        return web.Response(text="the shop")

    app = web.Application()
    app.router.add_get("/{path:.*}", welcome)
    (port,) = free_ports(1)
    store = TcpValkey(folder / "store", port)
    store.start()
    async with AsyncExitStack() as stack:
        stack.callback(store.stop)
        shop = str((await stack.enter_async_context(TestServer(app))).make_url("/shop"))
        client = connect(f"redis://{store.address}/0")
        stack.push_async_callback(client.aclose)
        inviting = Shop()
        rooms = []
        store_cable, near_store = await stack.enter_async_context(cable(port))
        for part, cut in (("whole", False), ("cut", True)):
            inside = folder / part
            inside.mkdir()
            inviting.write(inside)
            sales = [scene.document(shop) for scene in scenes if (scene.cuts == "store") is cut]
            url = f"redis://127.0.0.1:{near_store if cut else port}/0"
            rooms.append(await stack.enter_async_context(living(inside, url, *sales)))
        room, cut_room = rooms
        room_cable, near_room = await stack.enter_async_context(cable(port_of(room)))
        address = f"http://127.0.0.1:{near_room}"
        yield Stage(room, room_cable, address, cut_room, store_cable, client, inviting)
