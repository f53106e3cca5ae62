"""The page's languages: texts from the .po files in `locales`, plural forms, numbers and dates as each language writes them.

Texts have names (`headline.waiting`), not English sentences, so that English is a catalogue like the others and a brand can
replace a text in it. Loaded once at start; which language a buyer reads is `choose`'s to say. It knows no state of a line.
"""

from __future__ import annotations

import gettext
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.core import negotiate_locale
from babel.dates import format_datetime, format_skeleton
from babel.localedata import locale_identifiers
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_decimal

from waitingroom.errors import ConfigurationError

DEFAULT = "en"
FOLDER = Path(__file__).parent / "locales"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_REGION = re.compile(r"[a-z]{2,3}_[A-Z]{2}")
_SAMPLES = (*range(201), 1_000_000)
_ACCEPTED_MOST = 20
_HOURS_FROM_MINUTES = 120
_WHOLE_HOURS_FROM_S = 36_000

Text = str | Mapping[str, str]
"""A text, or its forms by CLDR's plural category (one, few, other ...)."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language; a text which it lacks is a defect that the tests find.

    Attributes:
        locale: how numbers are written, and what goes with which.
        dates: how dates are written where the buyer lives (en-GB beside en-US); None for as in `locale`.
    """

    code: str
    texts: Mapping[str, Text]
    locale: Locale
    dates: Locale | None = None

    @property
    def name(self) -> str:
        """What the language calls itself."""
        return self.text("language.name")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return self.locale.text_direction

    @property
    def dates_tag(self) -> str:
        """The language with the region by whose habits dates are written, as browsers know it."""
        return str(self.dates).replace("_", "-") if self.dates else self.code

    def text(self, key: str, **values: str) -> str:
        """Return a text with its values put in."""
        text = self.texts[key]
        assert isinstance(text, str), f"{key}: has plural forms"  # noqa: S101 - a defect of ours, not of a catalogue
        return _fill(text, values)

    def count(self, key: str, number: float, **values: str) -> str:
        """Return a text in the form that goes with `number`, which it calls `n`."""
        forms = self.texts[key]
        assert not isinstance(forms, str), f"{key}: has no plural forms"  # noqa: S101 - as above
        form = forms.get(self.locale.plural_form(number), forms["other"])
        return _fill(form, {"n": self.number(number), **values})

    def number(self, number: float) -> str:
        """Write a number; digits are the European ones everywhere, as place numbers are read out and typed."""
        return format_decimal(number, locale=self.locale, numbering_system="latn")

    def wait(self, low_s: float, high_s: float) -> str:
        """Write a range of seconds in whole minutes, in half hours or hours where it is long; rounded outwards."""
        low, high = math.floor(low_s / 60), max(1, math.ceil(high_s / 60))
        if high < _HOURS_FROM_MINUTES:
            if low < 1:
                return self.count("wait.soon", high)
            return self.count("wait.minutes", max(high, low + 1), low=self.number(low))
        step_h = 0.5 if high_s < _WHOLE_HOURS_FROM_S else 1.0
        low_h = math.floor(low_s / 3600 / step_h) * step_h
        high_h = max(math.ceil(high_s / 3600 / step_h) * step_h, low_h + step_h)
        if low_h <= 0:
            return self.count("wait.within_hours", high_h)
        return self.count("wait.hours", high_h, low=self.number(low_h))

    def moment(self, at: datetime) -> str:
        """Write a date with its time and the offset of its time zone."""
        day = format_skeleton("MMMMEEEEd", at, locale=self.dates or self.locale)
        return f"{day}, {format_datetime(at, 'HH:mm (ZZZZ)', locale=self.locale)}"

    def time(self, at: datetime) -> str:
        """Write a time of day with the offset of its time zone."""
        return format_datetime(at, "HH:mm:ss (ZZZZ)", locale=self.locale)

    def script_texts(self, keys: Iterable[str]) -> dict[str, Text]:
        """Return the texts which the page's script needs."""
        return {key: self.texts[key] for key in keys}


class Languages:
    """All languages of a room's pages, the default one first."""

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self._languages = dict(languages)
        self._by_lower = {code.lower(): language for code, language in self._languages.items()}
        self._regional = {
            name.replace("_", "-").lower(): replace(language, dates=Locale.parse(name))
            for name in locale_identifiers()
            if (language := self._languages.get(name.partition("_")[0])) and _REGION.fullmatch(name)
        }

    def __iter__(self) -> Iterator[Language]:
        """Go through them."""
        return iter(self._languages.values())

    def __getitem__(self, code: str) -> Language:
        """Return one by its code."""
        return self._languages[code]

    def choose(self, wanted: str | None, accepted: str | None) -> Language:
        """Return the language which a buyer chose (`wanted`), or else the first in `Accept-Language` that we have.

        Dates are written as in the region which the header names for it.
        """
        codes = _accepted(accepted or "")
        chosen = self._languages[wanted] if wanted in self._languages else self._first_of(codes)
        regions = (self._regional.get(code.lower()) for code in codes)
        return next((each for each in regions if each and each.code == chosen.code), chosen)

    def _first_of(self, codes: list[str]) -> Language:
        found = negotiate_locale(codes, list(self._languages), sep="-") if codes else None
        # What is found is spelt as the browser spells it, in capitals or not.
        return self._by_lower.get((found or DEFAULT).lower(), self._languages[DEFAULT])


def load_languages(brand: Path | None = None) -> Languages:
    """Load the languages; .po files in `brand` replace texts of ours, or add a language if they have all texts.

    Raises:
        ConfigurationError: a catalogue cannot be read, lacks texts, has unknown ones, or other placeholders than ours.
    """
    ours = {path.stem: _load(path) for path in sorted(FOLDER.glob("*.po"))}
    languages = {DEFAULT: ours.pop(DEFAULT), **ours}
    for path in sorted(brand.glob("*.po")) if brand is not None else ():
        theirs = _load(path)
        base = languages.get(theirs.code)
        _check(path, theirs.texts, languages[DEFAULT].texts, whole=base is None)
        languages[theirs.code] = (
            theirs if base is None else replace(base, texts={**base.texts, **theirs.texts})
        )
    return Languages(languages)


def placeholders(text: Text) -> set[str]:
    """Name the values which a text wants."""
    forms = [text] if isinstance(text, str) else text.values()
    return {name for form in forms for name in PLACEHOLDER.findall(form)}


def _load(path: Path) -> Language:
    try:
        locale = Locale.parse(path.stem, sep="-")
        with path.open("rb") as file:
            catalogue = read_po(file, locale=locale, abort_invalid=True)
        index_of = gettext.c2py(catalogue.plural_expr)
    except (OSError, ValueError, UnknownLocaleError, PoFileError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read as the catalogue of a language: {error}; name it after the language (nl.po)"
        ) from error
    # Which of the file's forms a category of CLDR's means is found by counting.
    categories = {locale.plural_form(number): index_of(number) for number in _SAMPLES}
    categories.setdefault("other", catalogue.num_plurals - 1)
    texts: dict[str, Text] = {}
    for message in catalogue:
        if not message.id or not message.string:
            continue
        if isinstance(message.id, tuple):
            forms = tuple(message.string)
            texts[str(message.id[0])] = {category: forms[index] for category, index in categories.items()}
        else:
            texts[str(message.id)] = str(message.string)
    return Language(path.stem, texts, locale)


def _check(path: Path, theirs: Mapping[str, Text], ours: Mapping[str, Text], *, whole: bool) -> None:
    unknown = sorted(theirs.keys() - ours.keys())
    if unknown:
        raise ConfigurationError(
            f"{path}: {unknown[0]!r} is no text of the page; see en.po for those there are"
        )
    missing = sorted(ours.keys() - theirs.keys())
    if whole and missing:
        raise ConfigurationError(
            f"{path}: a language of its own needs all texts, and {missing[0]!r} is missing (of {len(missing)})"
        )
    for key, text in theirs.items():
        if isinstance(text, str) is not isinstance(ours[key], str):
            wants = "no plural forms" if isinstance(ours[key], str) else "plural forms (msgid_plural)"
            raise ConfigurationError(f"{path}: {key!r} wants {wants}")
        strange = placeholders(text) - placeholders(ours[key])
        if strange:
            raise ConfigurationError(f"{path}: {key!r} has no value {{{min(strange)}}}")


def _fill(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def _accepted(header: str) -> list[str]:
    """Return the languages of an `Accept-Language` header, the most wanted first; what is malformed is passed over."""
    weighted = []
    for part in header.split(",")[:_ACCEPTED_MOST]:
        code, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0 and re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", code.strip()):
            weighted.append((-weight, code.strip()))
    return [code for _, code in sorted(weighted, key=lambda pair: pair[0])]
