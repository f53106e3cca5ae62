"""Notices that something has changed since a form was shown, so that two operators do not undo each other's work unseen. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from autoscaler.errors import AutoscalerError

SEEN: Final = "seen"


class Changed(AutoscalerError):
    """What a form is about is no longer as the form's sender saw it. Nothing was done."""


def mark_of(value: object) -> str:
    """Return a short mark of a value, for the form that is to change it."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def check_seen(form: Mapping[str, str], value: object, told: str) -> None:
    """See that a value is as the sender of a form saw it; a form without a mark is taken as it is.

    Raises:
        Changed: it is not; `told` says what it is now.
    """
    if form.get(SEEN, mark_of(value)) != mark_of(value):
        raise Changed(
            f"{told} since you opened the page. Look again, and repeat it if it is still to be done."
        )
