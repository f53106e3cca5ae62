"""The example documents as they are in force for one run: with times, addresses and folders filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rulebook import Onsale, ProcessPool, ScalingRule, load_documents
from rulebook.document import Named
from tidegate.demo.errors import DemoError


@dataclass(frozen=True, slots=True)
class DemoDocuments:
    """One sale, the rule that scales its shop, and the pool of the shop's replicas."""

    onsale: Onsale
    rule: ScalingRule
    pool: ProcessPool

    def with_folders(self, served_log: Path, endpoints: Path) -> DemoDocuments:
        """Have the shop's replicas log to `served_log`, and the pool name the ready ones in `endpoints`."""
        command = (*self.pool.spec.command, "--log", str(served_log))
        spec = self.pool.spec.model_copy(update={"command": command, "endpoints": str(endpoints)})
        return replace(self, pool=self.pool.model_copy(update={"spec": spec}))

    def with_slowdown(self, slowdown: float) -> DemoDocuments:
        """Have each checkout take so many times as long; the rule is told nothing of it."""
        if slowdown == 1.0:
            return self
        command = (*self.pool.spec.command, "--slowdown", f"{slowdown:g}")
        spec = self.pool.spec.model_copy(update={"command": command})
        return replace(self, pool=self.pool.model_copy(update={"spec": spec}))

    def with_times(self, prequeue_s: float, opens_s: float, closes_s: float) -> DemoDocuments:
        """Move the sale to these moments (unix seconds)."""
        moments = {"prequeue": prequeue_s, "opens": opens_s, "closes": closes_s}
        return self._with_onsale({name: datetime.fromtimestamp(at_s, UTC) for name, at_s in moments.items()})

    def with_shop(self, url: str) -> DemoDocuments:
        """Send buyers to this address."""
        return self._with_onsale({"shop": url})

    def _with_onsale(self, update: dict[str, object]) -> DemoDocuments:
        spec = self.onsale.spec.model_copy(update=update)
        return replace(self, onsale=self.onsale.model_copy(update={"spec": spec}))


def load_demo_documents(folder: Path) -> DemoDocuments:
    """Load the one Onsale, the one ScalingRule and the one ProcessPool in `folder`.

    Raises:
        DocumentErrors: a document is wrong.
        DemoError: there is not exactly one of each.
    """
    documents = load_documents(folder)
    found = (list(documents.onsales.values()), list(documents.rules.values()), list(documents.pools.values()))
    match found:
        case [onsale], [rule], [pool]:
            return DemoDocuments(onsale, rule, pool)
    counts = ", ".join(str(len(kind)) for kind in found)
    raise DemoError(f"{folder} must hold one Onsale, one ScalingRule and one ProcessPool, not {counts}")


def write_document(document: Named, folder: Path) -> None:
    """Write a document as a YAML file (JSON is YAML) named after its kind."""
    folder.mkdir(parents=True, exist_ok=True)
    content = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    (folder / f"{document.kind.lower()}.yaml").write_text(
        json.dumps(content, indent=2) + "\n", encoding="utf-8"
    )
