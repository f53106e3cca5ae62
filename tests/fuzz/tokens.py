"""Targets: everything signed or secret that comes back from a buyer, the shop or an operator."""

import base64
import binascii
import json
import struct
import time

from joserfc.jwk import OKPKey

from autoscaler.console.sessions import Sessions
from rulebook.admintokens import Role, TokenEntry
from waitingroom.entrytoken import EntryTerms, read_entry_keys, verify_entry
from waitingroom.errors import EntryRefused, InvalidToken
from waitingroom.gate.handover import Code, code_in, handover_address, read_code, read_offer
from waitingroom.keyring import Keyring
from waitingroom.middleware.checker import key_named
from waitingroom.passes import Pass, sign_pass, verify_pass
from waitingroom.places import Place, _encode, _mac, _to_text, sign_place, verify_place
from waitingroom.tags import CODE_LENGTH, CODE_LETTERS, code_tag, new_code

KEY = b"k" * 32
PASS_KEY = OKPKey.import_key(
    {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",  # of RFC 8037, appendix A
    }
)
KEYRING = Keyring(place_keys={"1": KEY}, pass_keys={"1": PASS_KEY}, draw_seeds={})
ENTRY_KEYS = read_entry_keys({"keys": [{**PASS_KEY.as_dict(private=False), "kid": "1"}]})
TERMS = EntryTerms("shop", "cactus", ("EdDSA",))
_NUMBERS = struct.Struct(">QQQI")
_SESSIONS = Sessions()
_OWN = _SESSIONS.begin(TokenEntry(name="ann", role=Role.VIEWER, sha256="0" * 64), time.monotonic())


def place(data: bytes) -> None:
    """Nothing that we did not sign is a place; what we signed comes back as it was, and has one spelling."""
    text = data.decode("latin-1")
    try:
        found = verify_place(text, "cactus", KEYS)
    except InvalidToken:
        pass
    else:
        assert sign_place(found, "1", KEY) == text
    # Behind the signature, as if a key had been lost or an encoder of ours been wrong: one spelling, or refused.
    payload = data[:300]
    try:
        found = verify_place(_to_text(payload + _mac(KEY, payload)), "cactus", KEYS)
    except InvalidToken:
        pass
    else:
        assert _encode(found, "1") == payload
    if len(data) >= _NUMBERS.size:
        epoch, number, issued, generation = _NUMBERS.unpack(data[: _NUMBERS.size])
        account = base64.urlsafe_b64encode(data[_NUMBERS.size :][:24]).decode()
        made = Place("cactus", epoch, number, issued, data[-16:], generation, account)
        assert verify_place(sign_place(made, "1", KEY), "cactus", KEYS) == made


KEYS = {"1": KEY}


def admission(data: bytes) -> None:
    """Nothing that we did not sign is a pass; of claims that we did sign, either all can be used or none."""
    text = data.decode("latin-1")
    head, _, claims = data.partition(b"\n")
    unsigned = f"{_segment(head)}.{_segment(claims)}."
    for token in (text, text.replace("\n", "."), f"{_segment(data)}.e30.{'A' * 86}", unsigned):
        try:
            verify_pass(token, "cactus", KEYRING)
        except InvalidToken:
            continue
        raise AssertionError("a pass which nobody signed")
    key_named(text)
    for header in (b'{"alg":"EdDSA","kid":"1","typ":"JWT"}', head):
        try:
            held = verify_pass(_signed(header, claims), "cactus", KEYRING)
        except InvalidToken:
            continue
        assert held.onsale == "cactus"
        assert json.loads(header)["alg"] == "EdDSA"
        held.is_current(1e9)
        again = verify_pass(sign_pass(held, KEYRING), "cactus", KEYRING)
        assert again == held
        assert isinstance(held.renewed(1e9, 60.0), Pass)


def entry(data: bytes) -> None:
    """Nothing that the shop did not sign invites anybody; what it signed says who, or is refused."""
    text = data.decode("latin-1")
    head, _, claims = data.partition(b"\n")
    unsigned = f"{_segment(head)}.{_segment(claims)}."
    for token in (text, text.replace("\n", "."), f"{_segment(data)}.e30.{'A' * 86}", unsigned):
        try:
            verify_entry(token, ENTRY_KEYS, TERMS, 1e9)
        except EntryRefused:
            continue
        raise AssertionError("a token which the shop did not sign")
    for header in (b'{"alg":"EdDSA","kid":"1"}', head):
        try:
            invited = verify_entry(_signed(header, claims), ENTRY_KEYS, TERMS, 1e9)
        except EntryRefused:
            continue
        assert invited.subject.isprintable()
        assert 1e9 - 31 < invited.expires_at_s <= 2**53
    try:
        read_entry_keys(json.loads(data))
    except (ValueError, RecursionError):
        pass


def codes(data: bytes) -> None:
    """A recovery code or a code of a hand-over has the one form that we give it, or is none."""
    text = data.decode("utf-8", "surrogateescape")
    tag = code_tag(KEY, "cactus", text)
    if tag is not None:
        letters = "".join(letter for letter in text.upper() if letter not in " -\t")
        assert len(letters) == CODE_LENGTH
        assert set(letters) <= set(CODE_LETTERS)
        assert code_tag(KEY, "cactus", letters.lower()) == tag
        assert code_tag(KEY, "tulip", letters) != tag
    assert code_tag(KEY, "cactus", new_code()) is not None
    for code in (read_code(text), code_in(text), code_in(f"/?code={text}")):
        if code is not None:
            assert read_code(code.text) == code
            assert handover_address("https://shop.example.org/x", code).isascii()
            assert code_in(f"/.tidegate/enter?code={code.text}") == code
            assert Code(code.onsale, code.secret).digest.isalnum()
    try:
        offer = read_offer(text)
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError):
        pass
    else:
        assert read_offer(offer.to_json()) == offer


def console(data: bytes) -> None:
    """Nobody has a session of the console whose key they were not given, nor a form's key."""
    text = data.decode("utf-8", "surrogateescape")
    session = _SESSIONS.find(_OWN, time.monotonic())
    assert session is not None
    assert text == _OWN or _SESSIONS.find(text, time.monotonic()) is None
    printable = data.decode("utf-8", "replace")
    assert printable == session.form_key or not session.owns(printable)


def _segment(data: bytes) -> str:
    return (
        binascii.b2a_base64(data, newline=False)
        .rstrip(b"=")
        .translate(bytes.maketrans(b"+/", b"-_"))
        .decode()
    )


def _signed(header: bytes, claims: bytes) -> str:
    """Sign any claims under any header, as our libraries would refuse to."""
    text = f"{_segment(header)}.{_segment(claims)}"
    signature: bytes = PASS_KEY.private_key.sign(text.encode())  # type: ignore[union-attr]  # of Ed25519
    return f"{text}.{_segment(signature)}"
