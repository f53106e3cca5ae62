"""A brand's own folder: what it may change, and how a mistake in it is told before the room opens."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living, open_doors
from tests.waitingroom.pages.browsing import PATIENCE_MS, SHUT, crowd, open_page, shows, state_is
from tests.waitingroom.samples import onsale
from waitingroom.errors import ConfigurationError
from waitingroom.pages import Pages
from waitingroom.pages.brand import TEMPLATES

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="5"/></svg>'
PO = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a brand's folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.asyncio(loop_scope="session")
async def test_colours_logo_and_texts_are_the_brands(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    brand = write(
        tmp_path / "brand",
        {
            "static/brand.css": ":root { --accent: #7a1f5c; }",
            "static/logo.svg": LOGO,
            "templates/brand.html": '<img src="{{ assets }}/logo.svg" alt="Cactus" width="40" height="40">\n',
            "locales/en.po": PO + 'msgid "headline.waiting"\nmsgstr "Hold on tight"\n',
        },
    )
    async with living(tmp_path, store_url, onsale(admission=SHUT), pages=brand) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "waiting")
        await shows(page, "headline", "Hold on tight")
        colour = await page.evaluate("getComputedStyle(document.querySelector('#notify')).color")
        assert colour == "rgb(122, 31, 92)"
        assert await page.get_by_role("img", name="Cactus").evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize(
    ("files", "told"),
    [
        pytest.param({}, "is empty", id="empty"),
        pytest.param({"room.html": ""}, "has no meaning here", id="not in a folder"),
        pytest.param({"templates/rom.html": ""}, "rom.html: replaces nothing", id="misspelt template"),
        pytest.param({"templates/room.html": "{% if %}"}, "room.html:1: ", id="template with a mistake"),
        pytest.param({"templates/brand.html": "{{ lgo }}"}, "'lgo' is undefined", id="unknown value"),
        pytest.param(
            {"templates/room.html": "<main></main>"}, 'no element with id="headline"', id="no headline"
        ),
        pytest.param(
            {"templates/brand.html": "<script>alert(1)</script>"},
            "script or style in the page",
            id="inline script",
        ),
        pytest.param(
            {"templates/brand.html": '<p style="color: red">x</p>'},
            "script or style in the page",
            id="inline style",
        ),
        pytest.param({"static/movie.mp4": "x"}, "is of no kind that is served", id="unknown kind"),
        pytest.param({"static/logo.svg": "x" * 200_001}, "has 200001 bytes", id="too large"),
        pytest.param(
            {"static/brand.css": '@import "https://fonts.example.org/a.css";'},
            "from another host",
            id="other host",
        ),
        pytest.param(
            {"templates/imprint.html": '<img src="https://img.example.org/a.png" alt="x">'},
            "loads 'https://img.example.org/a.png'",
            id="picture of another host",
        ),
        pytest.param(
            {
                "templates/imprint.html": '<img src="{{ assets }}/icon.svg" srcset="a.png 1x, //b.example.org/b.png 2x">'
            },
            "loads '//b.example.org/b.png 2x'",
            id="larger picture of another host",
        ),
        pytest.param(
            {"templates/notice.html": '<script src="https://cdn.example.org/a.js"></script>'},
            "loads 'https://cdn.example.org/a.js'",
            id="script of another host",
        ),
        pytest.param(
            {"templates/brand.html": '<img src="data:image/png;base64,AAAA" alt="x">'},
            "loads 'data:image/png;base64,AAAA'",
            id="picture in the page",
        ),
        pytest.param(
            {
                "static/logo.svg": LOGO.replace(
                    "<circle", '<image xlink:href="https://a.example.org/b.png"/><circle'
                )
            },
            "logo.svg: loads from another host",
            id="picture that loads another",
        ),
        pytest.param(
            {
                "static/logo.svg": LOGO.replace(
                    "<circle", "<style>@import '//a.example.org/b.css';</style><circle"
                )
            },
            "logo.svg: loads from another host",
            id="picture that loads a style",
        ),
        pytest.param(
            {"static/brand.css": "/* --x: 1 */ :root { --acent: red; }"},
            "sets --acent, which nothing uses; did you mean --accent?",
            id="misspelt variable",
        ),
        pytest.param(
            {"static/brand.css": ":root { --festival: red; }"},
            "sets --festival, which nothing uses; the page's are --ground, --card, --ink",
            id="variable of no use",
        ),
        pytest.param(
            {"locales/en.po": PO + 'msgid "hedline"\nmsgstr "x"\n'}, "'hedline' is no text", id="unknown text"
        ),
        pytest.param(
            {"locales/en.po": PO + 'msgid "page.title"\nmsgstr "{titel}"\n'},
            "has no value {titel}",
            id="unknown value in a text",
        ),
        pytest.param(
            {"locales/es.po": PO + 'msgid "page.title"\nmsgstr "{title}"\n'},
            "needs all texts",
            id="part of a language",
        ),
        pytest.param({"locales/en.po": PO + "msgid nonsense\n"}, "cannot be read", id="malformed catalogue"),
        pytest.param({"locales/english.po": PO}, "cannot be read", id="no language"),
        pytest.param({"locales/en.txt": ""}, "is no catalogue", id="other file"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, files: dict[str, str], told: str) -> None:
    brand = write(tmp_path / "brand", files)
    with pytest.raises(ConfigurationError) as error:
        Pages(brand)
    assert told in str(error.value)
    assert str(brand) in str(error.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        Pages(tmp_path / "nowhere")


def test_links_own_variables_and_pictures_in_pictures_are_welcome(tmp_path: Path) -> None:
    inner = '<defs><g id="a"/></defs><use href="#a"/><image href="data:image/png;base64,AAAA"/><circle'
    brand = write(
        tmp_path / "brand",
        {
            "static/brand.css": ":root { --accent: var(--festival); --festival: #7a1f5c; }",
            "static/logo.svg": LOGO.replace("<circle", inner),
            "templates/imprint.html": '<p><a href="https://example.org/imprint">Imprint</a></p>',
        },
    )
    Pages(brand)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_countdown_that_stands_alone_runs(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    room = (TEMPLATES / "room.html").read_text()
    brand = write(
        tmp_path / "brand", {"templates/room.html": room.replace('"wide scripted" hidden', '"wide"')}
    )
    async with living(tmp_path, store_url, onsale(opens_in_s=3_600, admission=SHUT), pages=brand) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/")
        await state_is(page, "prequeue")
        await expect(page.locator("#countdown")).to_contain_text(":", timeout=PATIENCE_MS)
        await open_doors(client)
        await state_is(page, "waiting")
        await shows(page, "ahead", "5")
