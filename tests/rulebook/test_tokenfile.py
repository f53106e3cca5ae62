"""Token files: what stands in them, what is wrong with them, and that a changed one counts at once."""

import json
import os
from pathlib import Path

import pytest

from rulebook.admintokens import Role, TokenError, find_by_digest, make_token
from rulebook.tokenfile import FollowedTokens, add_token, load_tokens


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- {name: ann, role: king, sha256: x}", "0.role", id="unknown role"),
        pytest.param("- {name: ann, role: viewer}", "needs either sha256 or scrypt", id="no hash"),
        pytest.param("- {name: ann, role: viewer, sha256: abc}", "0.sha256", id="malformed hash"),
        pytest.param(
            "- {name: ann, role: viewer, scrypt: '1000:8:1:c2FsdA==:a2V5'}", "N:r:p:salt:key", id="scrypt"
        ),
        pytest.param("- {name: ann, role: viewer, token: secret}", "0.token", id="a token itself"),
        pytest.param("{", "not YAML or JSON", id="no YAML"),
    ],
)
def test_a_broken_file_is_named_without_its_content(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(text)
    with pytest.raises(TokenError) as caught:
        load_tokens(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_name_is_there_once(tmp_path: Path) -> None:
    entry = make_token("ann", Role.VIEWER).entry.model_dump(mode="json", exclude_none=True)
    path = tmp_path / "tokens.yaml"
    path.write_text(json.dumps([entry, entry]))
    with pytest.raises(TokenError, match="ann is there twice"):
        load_tokens(path)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65])
def test_a_token_is_made_for_a_name_that_can_be_written(name: str) -> None:
    with pytest.raises(TokenError, match="letters, digits"):
        make_token(name, Role.VIEWER)


def test_a_token_is_known_by_its_hash_and_each_is_another() -> None:
    first, second = make_token("ann", Role.VIEWER), make_token("bob", Role.OPERATOR, ["cactus"])
    assert first.token != second.token
    entries = (first.entry, second.entry)
    assert find_by_digest(entries, str(second.entry.sha256)) is second.entry
    assert find_by_digest(entries, "0" * 64) is None
    assert (second.entry.may_see("cactus"), second.entry.may_see("tulip")) == (True, False)
    assert all(made.token not in made.entry.model_dump_json() for made in (first, second))


def test_a_changed_file_is_read_and_a_broken_or_lost_one_leaves_the_last(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    first, second = make_token("ann", Role.VIEWER).entry, make_token("bob", Role.VIEWER).entry
    path.write_text(f"[{first.model_dump_json(exclude_none=True)}]")
    followed = FollowedTokens(path)
    assert followed.refresh() is None
    path.write_text(f"[{second.model_dump_json(exclude_none=True)}]")
    os.utime(path, (1, 1))
    reread = followed.refresh()
    assert reread is not None
    assert (reread.problem, followed.entries) == ("", (second,))
    path.write_text("{")
    os.utime(path, (2, 2))
    reread = followed.refresh()
    assert reread is not None
    assert (reread.problem, followed.entries) == (f"{path}: not YAML or JSON", (second,))
    path.unlink()
    reread = followed.refresh()
    assert reread is not None
    assert reread.problem.startswith(f"token file {path}: No such file or directory; ")
    assert followed.entries == (second,)


def test_a_token_is_added_to_a_file_which_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    first, second = make_token("anna", Role.OPERATOR), make_token("ben", Role.VIEWER)
    add_token(file, first.entry)
    add_token(file, second.entry)
    assert load_tokens(file) == (first.entry, second.entry)
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.token not in file.read_text()


def test_a_name_that_is_there_or_a_file_of_another_kind_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    add_token(file, make_token("anna", Role.OPERATOR).entry)
    before = file.read_text()
    with pytest.raises(TokenError, match="the name anna is there twice"):
        add_token(file, make_token("anna", Role.VIEWER).entry)
    assert file.read_text() == before
    file.write_text("[]\n")  # a list in another form, to which no line can be added
    with pytest.raises(TokenError, match="no line can be added"):
        add_token(file, make_token("anna", Role.VIEWER).entry)
    assert file.read_text() == "[]\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.yaml"]
