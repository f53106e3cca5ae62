"""Reads and, on a first start, writes the key folder: one secret a file, readable by its owner alone.

`place.<kid>.key` and `draw.<onsale>.seed` hold base64 of 32 random bytes, `pass.<kid>.jwk` an Ed25519 private key as JWK.
Files are created with O_EXCL, so that several processes starting at once agree on one key. A key that is put beside others signs
once its file is `SIGNS_AFTER_S` old, so that by then every process, on other hosts too, has read it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from waitingroom.errors import ConfigurationError
from waitingroom.keyring import Keyring

SIGNS_AFTER_S = 120.0
_SECRET_BYTES = 32


def load_keyring(folder: Path, drawn: Iterable[str], *, create: bool = True) -> Keyring:
    """Read all keys of `folder`; with `create`, make those which are missing, and a seed for each onsale of `drawn`.

    Onsales that draw nothing need no seed: a new one must not ask for a file that a folder mounted read-only cannot get.

    Raises:
        ConfigurationError: the folder or a file cannot be read or written, or holds no key of the expected form.
    """
    try:
        if create:
            _create_missing(folder, drawn)
        places = {_middle(path): _read_secret(path) for path in sorted(folder.glob("place.*.key"))}
        passes = {_middle(path): _read_pass_key(path) for path in sorted(folder.glob("pass.*.jwk"))}
        seeds = {_middle(path): _read_secret(path) for path in sorted(folder.glob("draw.*.seed"))}
        young_places, young_passes = _young(folder, "place.*.key"), _young(folder, "pass.*.jwk")
    except OSError as error:
        raise ConfigurationError(
            f"key folder {folder}: {error.strerror or error}; name a folder that can be read, and written on the first start"
        ) from error
    if not places or not passes:
        raise ConfigurationError(
            f"key folder {folder}: needs at least one place.<kid>.key and one pass.<kid>.jwk; "
            "start once with a writable folder to have them made"
        )
    return Keyring(places, passes, seeds, young_places, young_passes)


def read_public_keys(key_set: Mapping[str, Any]) -> dict[str, OKPKey]:
    """Read a published key set (JWKS) into keys by their `kid`.

    Raises:
        ConfigurationError: it is no set of Ed25519 public keys.
    """
    try:
        return {str(key["kid"]): OKPKey.import_key(key) for key in key_set["keys"]}
    except (ValueError, TypeError, KeyError, JoseError) as error:
        raise ConfigurationError("not a JSON Web Key Set of Ed25519 keys") from error


def _create_missing(folder: Path, drawn: Iterable[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"key folder {folder}: is a file; name a folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(folder.glob("place.*.key")):
        _write_new(folder / "place.1.key", _new_secret())
    if not any(folder.glob("pass.*.jwk")):
        key = OKPKey.generate_key("Ed25519", private=True)
        _write_new(folder / "pass.1.jwk", json.dumps(key.as_dict(private=True)).encode())
    for onsale in drawn:
        seed = folder / f"draw.{onsale}.seed"
        if not seed.exists():
            _create_seed(seed, onsale)


def _create_seed(path: Path, onsale: str) -> None:
    try:
        _write_new(path, _new_secret())
    except OSError as error:
        raise ConfigurationError(
            f"key folder {path.parent}: {path.name}, the seed of the draw of onsale {onsale}, is missing and cannot be made "
            f"({error.strerror or error}): run `tidegate queue keys` on a copy of the folder that can be written, and give "
            "all processes the new file"
        ) from error


def _new_secret() -> bytes:
    return base64.b64encode(secrets.token_bytes(_SECRET_BYTES)) + b"\n"


def _write_new(path: Path, content: bytes) -> None:
    """Write a file which appears whole or not at all, and leave one that is there alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
    finally:
        draft.unlink()


def _young(folder: Path, pattern: str) -> frozenset[str]:
    ages = {_middle(path): path.stat().st_mtime for path in folder.glob(pattern)}
    # The first keys of a new folder sign at once.
    old_s = max(time.time() - SIGNS_AFTER_S, min(ages.values(), default=0.0))
    return frozenset(kid for kid, written_s in ages.items() if written_s > old_s)


def _middle(path: Path) -> str:
    return path.name.split(".", 1)[1].rsplit(".", 1)[0]


def _read_secret(path: Path) -> bytes:
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except binascii.Error as error:
        raise ConfigurationError(f"key file {path}: not base64") from error
    if len(secret) < _SECRET_BYTES:
        raise ConfigurationError(f"key file {path}: {len(secret)} bytes, needs {_SECRET_BYTES} or more")
    return secret


def _read_pass_key(path: Path) -> OKPKey:
    try:
        key = OKPKey.import_key(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, JoseError) as error:
        raise ConfigurationError(f"key file {path}: not an Ed25519 private key as JWK") from error
    if not key.is_private or key.curve_name != "Ed25519":
        raise ConfigurationError(f"key file {path}: not an Ed25519 private key as JWK")
    return key
