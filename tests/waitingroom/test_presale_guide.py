"""What the guide to presales shows works as it stands there: document, keys and tokens."""

import re
import subprocess
import sys
from pathlib import Path

from redis.asyncio import Redis

from rulebook import load_text
from tests.waitingroom.living import HTML, living
from waitingroom.errors import ENTRY_REASONS

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "presale.md"
TEXT = GUIDE.read_text()
(DOCUMENT,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
MAKE_KEYS, MAKE_TOKENS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def run(code: str, folder: Path) -> str:
    """Run code of the guide in a folder, as a shop would: warnings are its own matter."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


async def test_the_guides_document_keys_and_tokens_let_a_member_in(
    tmp_path: Path, store_url: str, client: Redis
) -> None:
    documents = tmp_path / "onsales"
    documents.mkdir()
    run(MAKE_KEYS, documents)
    token = run(MAKE_TOKENS + "\nprint(invite('member-7'))", documents)
    sale = load_text(DOCUMENT, "presale.md").onsales["cactus"]
    async with living(tmp_path, store_url, sale) as here, here.buyer() as app, here.buyer() as browser:
        bearer = {"Authorization": f"Bearer {token}"}
        async with app.post(f"{here.room}/cactus/join", headers=bearer) as answer:
            assert (answer.status, (await answer.json())["number"]) == (200, 1)
        other = run(MAKE_TOKENS + "\nprint(invite('member-8'))", documents)
        link = f"{here.room}/cactus/?token={other}"
        async with browser.get(link, headers=HTML, allow_redirects=False) as clean:
            assert clean.headers["Location"] == "/cactus/"
        async with browser.post(f"{here.room}/cactus/join", headers=HTML, allow_redirects=False) as answer:
            assert answer.status == 303
        async with browser.get(f"{here.room}/cactus/status") as status:
            assert (await status.json())["number"] == 2


def test_the_guide_names_every_reason() -> None:
    for reason in (*ENTRY_REASONS, "held", "entered", "exhausted", "moved"):
        assert f"`{reason}`" in TEXT
