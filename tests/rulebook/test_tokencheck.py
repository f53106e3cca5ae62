"""Whose a presented token is: made ones at once, chosen ones by a slow comparison, once, few at a time."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rulebook.admintokens import Role, TokenEntry, TokenError, make_token
from rulebook.tokencheck import MOST_WAITING, TokenCheck, TooManyComparisons
from rulebook.tokenfile import FollowedTokens, Reread

MADE = make_token("ann", Role.VIEWER)
CHOSEN = "open sesame"


def chosen_entry(name: str, token: str = CHOSEN) -> TokenEntry:
    key = hashlib.scrypt(token.encode(), salt=b"salt", n=2, r=1, p=1, dklen=16)
    text = f"2:1:1:{base64.b64encode(b'salt').decode()}:{base64.b64encode(key).decode()}"
    return TokenEntry(name=name, role=Role.OPERATOR, scrypt=text)


BEN, KIM = chosen_entry("ben", "something else"), chosen_entry("kim")


class Desk:
    """A check of a file, with what it was told and how often it compared slowly."""

    def __init__(self, folder: Path, *entries: TokenEntry) -> None:
        self.path = folder / "tokens.yaml"
        self.compared: list[str] = []
        self.told: list[tuple[int, str]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.at_once = self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._stamp = 0
        self.write(*entries)
        self.check = TokenCheck(
            self.path, in_thread=self._compare, turn=asyncio.Semaphore(1), on_reread=self._hear
        )

    def write(self, *entries: TokenEntry, text: str | None = None) -> None:
        listed = [entry.model_dump(mode="json", exclude_none=True) for entry in entries]
        self.path.write_text(json.dumps(listed) if text is None else text)
        self._stamp += 1
        os.utime(self.path, (self._stamp, self._stamp))

    async def _compare(
        self, matches: Callable[[TokenEntry, str], bool], entry: TokenEntry, token: str
    ) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_go_on.wait()
        self.at_once -= 1
        self.compared.append(entry.name)
        self.meanwhile()
        return matches(entry, token)

    def _hear(self, followed: FollowedTokens, reread: Reread) -> None:
        self.told.append((len(followed.entries), reread.problem))


async def test_a_token_that_we_made_is_found_without_a_slow_comparison(tmp_path: Path) -> None:
    desk = Desk(tmp_path, KIM, MADE.entry)
    assert desk.check.find_made(MADE.token) == MADE.entry
    assert await desk.check.find(MADE.token) == MADE.entry
    assert desk.check.find_made(CHOSEN) is None
    assert desk.compared == []


async def test_a_chosen_token_is_compared_slowly_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BEN, KIM, MADE.entry)
    assert [await desk.check.find(CHOSEN) for _ in range(3)] == [KIM] * 3
    assert desk.compared == ["ben", "kim"]


async def test_a_wrong_token_is_compared_each_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path, KIM)
    assert [await desk.check.find("a guess") for _ in range(2)] == [None] * 2
    assert desk.compared == ["kim"] * 2


@pytest.mark.parametrize("token", ["", "ö", "x" * 257], ids=["empty", "no ASCII", "too long"])
async def test_what_can_be_no_token_is_compared_with_nothing(tmp_path: Path, token: str) -> None:
    desk = Desk(tmp_path, KIM)
    assert await desk.check.find(token) is None
    assert desk.compared == []


async def test_who_is_taken_out_of_the_file_is_out_at_once_and_a_broken_file_changes_nothing(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, KIM, BEN)
    assert await desk.check.find(CHOSEN) == KIM
    desk.write(text="{")
    assert await desk.check.find(CHOSEN) == KIM
    assert desk.check.still_holds(KIM)
    desk.write(BEN)
    assert not desk.check.still_holds(KIM)
    assert await desk.check.find(CHOSEN) is None
    assert desk.told == [(2, f"{desk.path}: not YAML or JSON"), (1, "")]


async def test_who_is_taken_out_while_the_token_is_compared_is_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, KIM)
    desk.meanwhile = lambda: desk.write(BEN)
    assert await desk.check.find(CHOSEN) is None
    desk.meanwhile = lambda: None
    assert await desk.check.find(CHOSEN) is None


async def test_one_comparison_is_made_at_a_time_and_few_wait(tmp_path: Path) -> None:
    desk = Desk(tmp_path, KIM)
    desk.may_go_on.clear()
    waiting = [asyncio.create_task(desk.check.find(f"guess {number}")) for number in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyComparisons, match=f"^{MOST_WAITING} tokens are being compared already$"):
        await desk.check.find(CHOSEN)
    desk.may_go_on.set()
    assert await asyncio.gather(*waiting) == [None] * MOST_WAITING
    assert desk.most_at_once == 1
    assert await desk.check.find(CHOSEN) == KIM


async def test_a_file_that_cannot_be_used_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match=r"token file .*tokens\.yaml: No such file"):
        TokenCheck(
            tmp_path / "tokens.yaml",
            in_thread=asyncio.to_thread,
            turn=asyncio.Semaphore(1),
            on_reread=lambda followed, reread: None,
        )
