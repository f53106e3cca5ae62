"""Every text is there in every language, and server and script say the same."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from playwright.async_api import Browser, expect
from redis.asyncio import Redis

from tests.waitingroom.living import living
from tests.waitingroom.pages.browsing import SHUT, crowd, open_page, operate, shows, state_is
from tests.waitingroom.samples import onsale
from waitingroom.pages.languages import FOLDER, Language, load_languages, placeholders
from waitingroom.pages.wording import PAGE_STATES, SCRIPT_TEXTS, slow
from waitingroom.slowdown import Cause

ROOM = FOLDER.parents[1]
LANGUAGES = load_languages()
ALL = pytest.mark.parametrize("language", list(LANGUAGES), ids=lambda language: language.code)
IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")
ROOMS = sorted({key.partition(".")[0] for key in LANGUAGES["en"].texts})
_KEY = re.compile(rf"""["'`]((?:{"|".join(ROOMS)})\.[a-z_]+(?:\.[a-z]+)?)["'`]""")


@ALL
def test_no_text_is_missing_empty_or_strange(language: Language) -> None:
    english = LANGUAGES["en"].texts
    assert language.texts.keys() == english.keys()
    for key, text in language.texts.items():
        forms = [text] if isinstance(text, str) else list(text.values())
        assert all(form.strip() for form in forms), key
        assert placeholders(text) <= placeholders(english[key]) | {"n"}, key
        if isinstance(text, str):
            assert placeholders(text) == placeholders(english[key]), key


@ALL
def test_catalogues_hold_each_text_once_and_whole(language: Language) -> None:
    with (FOLDER / f"{language.code}.po").open("rb") as file:
        catalogue = read_po(file, locale=language.code.replace("-", "_"), abort_invalid=True)
    ids = [
        message.id if isinstance(message.id, str) else message.id[0] for message in catalogue if message.id
    ]
    assert len(ids) == len(set(ids)) == len(language.texts)
    assert not [message.id for message in catalogue if message.id and message.fuzzy]


def test_whatever_page_and_script_say_is_in_the_catalogue() -> None:
    named: set[str] = set()
    for path in (
        *ROOM.glob("pages/**/*.html"),
        *ROOM.glob("pages/**/*.js"),
        *ROOM.glob("pages/*.py"),
        *ROOM.glob("web/*.py"),
    ):
        named |= set(_KEY.findall(path.read_text()))
    assert len(named) > 60
    assert named - {"notice.html"} <= LANGUAGES["en"].texts.keys()
    for state in PAGE_STATES:
        assert f"headline.{state}" in LANGUAGES["en"].texts
    for cause in Cause:
        assert f"slow.{cause}" in SCRIPT_TEXTS


def test_the_script_is_given_all_that_it_says() -> None:
    for path in (ROOM / "pages/static").glob("*.js"):
        said = set(_KEY.findall(path.read_text()))
        assert said <= set(SCRIPT_TEXTS), path.name


@pytest.mark.parametrize(
    ("accepted", "wanted", "code"),
    [
        pytest.param("nl-BE,nl;q=0.9,en;q=0.8", None, "nl", id="a region's"),
        pytest.param("pt-BR,fr;q=0.5", None, "fr", id="the second choice"),
        pytest.param("fr;q=0.3, ar-EG", None, "ar", id="by weight"),
        pytest.param("zz,*;q=0.1", None, "en", id="none of ours"),
        pytest.param("", None, "en", id="nothing said"),
        pytest.param("nl", "de", "de", id="chosen on the page"),
        pytest.param("nl", "../de", "nl", id="chosen nonsense"),
        pytest.param("nl;q=x,;;,fr;q=-1,\x00", None, "en", id="malformed"),
        pytest.param("NL-be,EN;q=0.5", None, "nl", id="in capitals"),
        pytest.param("Ar", None, "ar", id="in mixed letters"),
    ],
)
def test_a_buyer_reads_what_they_chose_or_their_browser_asks_for(
    accepted: str, wanted: str | None, code: str
) -> None:
    assert LANGUAGES.choose(wanted, accepted).code == code


@pytest.mark.parametrize(
    ("accepted", "wanted", "dates", "day"),
    [
        pytest.param("en-GB,en;q=0.9", None, "en-GB", "Thursday 26 November", id="British"),
        pytest.param("en-US,en;q=0.9", None, "en-US", "Thu, Nov 26", id="American"),
        pytest.param(
            "nl-be,fr-BE;q=0.5", "fr", "fr-BE", "jeu. 26 nov.", id="chosen, with the region's habits"
        ),
        pytest.param("de-AT", "en", "en", "Thu, Nov 26", id="of another language"),
        pytest.param("de-ZZ", None, "de", "Do., 26. November", id="no such region"),
        pytest.param("pt-BR", None, "en", "Thu, Nov 26", id="none of ours"),
    ],
)
def test_dates_are_written_as_where_the_buyer_lives(
    accepted: str, wanted: str | None, dates: str, day: str
) -> None:
    language = LANGUAGES.choose(wanted, accepted)
    assert language.texts is LANGUAGES[language.code].texts
    assert language.dates_tag == dates
    at = datetime(2026, 11, 26, 20, 5, 1, tzinfo=UTC)
    assert language.moment(at).startswith(f"{day}, 20:05 (")
    assert re.fullmatch(r"20:05:01 \(.+\)", language.time(at))


@IN_ONE_LOOP
async def test_the_script_too_writes_dates_as_where_the_buyer_lives(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    sale = onsale(opens="2036-11-26T20:00:00+01:00", admission=SHUT)
    async with living(tmp_path, store_url, sale) as here:
        for locale, day in (("en-GB", "Wednesday 26 November"), ("en-US", "Wednesday, November 26")):
            page = await open_page(browser, f"{here.room}/cactus/", locale=locale)
            # Where there is no pre-queue, joining begins with the sale.
            await state_is(page, "early")
            await expect(page.locator("#opens")).to_contain_text(day)


@IN_ONE_LOOP
async def test_server_and_script_say_the_same_in_every_language(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    waits = [(0, 20), (30, 100), (59, 61), (300, 900), (420, 421), (3000, 7140), (7100, 7300), (9000, 20_000)]
    waits += [(20, 20_000), (1200, 9000), (9000, 40_000), (36_000, 36_000)]
    counts = [0, 1, 2, 3, 11, 57, 100, 101, 1234, 1_000_000]
    rates = [0.001, 0.05, 0.16, 1 / 6, 1.0, 20.4]
    slowdown = {
        "code": "fewer_servers",
        "rate_per_s": 1.5,
        "usual_per_s": 20.0,
        "ready": 3,
        "usual_ready": 11,
    }
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        page = await open_page(browser, f"{here.room}/cactus/?lang=en")
        src = await page.locator("script[type=module]").get_attribute("src")
        assert src is not None
        for language in LANGUAGES:
            calls: list[list[object]] = [["wait", list(wait)] for wait in waits]
            calls += [["count", "announce.waiting", count, {"wait": "-"}] for count in counts]
            calls += [["count", "countdown.days", count] for count in counts]
            calls += [["pace", rate] for rate in rates]
            calls += [["slow", slowdown], ["slow", {"code": "a new one"}]]
            said = await page.evaluate(
                """async ([address, language, texts, calls]) => {
                    const { Words } = await import(address);
                    const words = new Words(language, texts);
                    return calls.map(([name, ...values]) => words[name](...values));
                }""",
                [
                    src.replace("room.js", "words.js"),
                    language.code,
                    language.script_texts(SCRIPT_TEXTS),
                    calls,
                ],
            )
            expected = [language.wait(*wait) for wait in waits]
            expected += [language.count("announce.waiting", count, wait="-") for count in counts]
            expected += [language.count("countdown.days", count) for count in counts]
            expected += [language.count("pace.minute", minute) for minute in (0.1, 3, 9.6, 10, 60, 1224)]
            expected += [slow(language, slowdown), slow(language, {"code": "a new one"})]
            assert said == expected, language.code


@IN_ONE_LOOP
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(each, id=each.code, marks=[] if each.code in {"ar", "nl"} else pytest.mark.slow)
        for each in LANGUAGES
    ],
)
async def test_the_switch_changes_all_of_the_page_and_is_remembered(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser, language: Language
) -> None:
    sale = onsale(admission=SHUT, title={"en": "Cactus", "nl": "Cactus in het Nederlands"})
    async with living(tmp_path, store_url, sale) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/?return=/cactus/seats")
        await state_is(page, "waiting")
        await page.get_by_role("link", name=language.name).click()
        await shows(page, "headline", language.text("headline.waiting"))
        assert "return=%2Fcactus%2Fseats" in page.url
        assert await page.locator("html").get_attribute("lang") == language.code
        assert await page.locator("html").get_attribute("dir") == language.direction
        await page.goto(f"{here.room}/cactus/")
        await operate(client, here, hold="?")
        await shows(page, "headline", language.text("headline.held"))
        await shows(page, "lead", language.text("lead.held"))
        await page.context.close()


@IN_ONE_LOOP
async def test_right_to_left_mirrors_the_layout(
    tmp_path: Path, store_url: str, client: Redis, browser: Browser
) -> None:
    async with living(tmp_path, store_url, onsale(admission=SHUT)) as here:
        await crowd(client, here, 5)
        page = await open_page(browser, f"{here.room}/cactus/", locale="ar")
        await state_is(page, "waiting")
        number = await page.locator("#number").bounding_box()
        position = await page.locator("#position").bounding_box()
        assert number
        assert position
        assert number["x"] > position["x"]
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320
