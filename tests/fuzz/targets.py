"""All targets by name. Each takes any bytes and raises only if one of its promises is broken."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz import documents, requests, tokens

CORPUS = Path(__file__).parent / "corpus"
TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "place": tokens.place,
    "pass": tokens.admission,
    "entry": tokens.entry,
    "codes": tokens.codes,
    "console": tokens.console,
    "original": requests.original,
    "paths": requests.paths,
    "returning": requests.returning,
    "heads": requests.heads,
    "yaml": documents.yaml,
    "exposition": documents.exposition,
    "quantities": documents.quantities,
    "address": documents.address,
}
