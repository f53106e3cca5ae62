"""One sale with one fault in it: a site, a crowd through it, the fault in mid-sale, and all that can be counted from outside."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.chaos.capacity import Capacity
from tests.chaos.crowd import Crowd, send_crowd
from tests.chaos.faults import Fault
from tests.chaos.runningsite import Site, running_site
from tests.chaos.verdict import Run, Struck
from tidegate.demo.documents import DemoDocuments, load_demo_documents
from tidegate.demo.examples import find_examples
from tidegate.demo.figures import Evidence
from tidegate.demo.limits import HIGHEST_RATE_WITHIN_SLO
from tidegate.demo.overadmission import Ceiling
from tidegate.demo.records import ServedEntry, read_records, write_records
from tidegate.demo.sampling import EVERY_S, Sampler

REPLICAS = 2
FULL_RATE_PER_S = REPLICAS * HIGHEST_RATE_WITHIN_SLO
STRIKES_AT_SHARE = (0.1, 0.2)
"""The fault begins when such a share of the crowd has been served; the seed says which exactly."""
_OVER_WITHIN_S = 180.0
_TRACEBACK = "Traceback (most recent call last)"


async def play(fault: Fault, seed: int, folder: Path) -> Run:
    """Play it in an empty folder.

    Raises:
        DemoError: a process died that nobody killed, or did not come up.
        SiteError: the site did not come to be as it should.
    """
    dice = random.Random(seed)
    strikes_at = dice.uniform(*STRIKES_AT_SHARE) * _buyers(fault)
    async with running_site(
        site_documents(), folder, keep_data=fault.keep_data, small_disk=fault.small_disk
    ) as site:
        sampler = Sampler(site.stack)
        crowd = await send_crowd(site, buyers=_buyers(fault), seconds=fault.sale_s * 0.75, seed=seed)
        striking: asyncio.Task[Struck] | None = None
        deadline_s = site.stack.opens_s + fault.sale_s + _OVER_WITHIN_S
        async with _written(sampler, folder), sampler.watching(), crowd.going():
            try:
                while not (crowd.child.ended and _is_over(striking)) and time.time() < deadline_s:
                    await asyncio.sleep(EVERY_S)
                    site.stack.check()
                    served = crowd.progress.served if crowd.progress is not None else 0
                    if striking is None and served >= strikes_at:
                        striking = asyncio.create_task(_strike(fault, site, dice))
            finally:
                if striking is not None and not striking.done():
                    striking.cancel()
                    await asyncio.wait({striking})
    return Run(
        evidence=evidence_of(site, sampler, crowd),
        opens_s=site.stack.opens_s,
        claim_within_s=site.stack.documents.onsale.spec.admission.claim_within_s,
        ceiling=site_ceiling(),
        capacity=site_capacity(),
        struck=None if striking is None or striking.cancelled() else striking.result(),
        empties_bucket=fault.empties_bucket,
        reaches_shop=fault.reaches_shop,
        tracebacks=tracebacks(folder),
    )


def site_documents() -> DemoDocuments:
    """Return the demo's documents with a shop that stays as large as it is."""
    documents = load_demo_documents(find_examples("demo"))
    spec, admission = documents.rule.spec, documents.rule.spec.admission
    update = {
        "replicas": spec.replicas.model_copy(update={"min": REPLICAS, "max": REPLICAS}),
        # The rate is to follow how many are ready, not how fast they answer.
        "admission": admission and admission.model_copy(update={"slow": None}),
    }
    rule = documents.rule.model_copy(update={"spec": spec.model_copy(update=update)})
    return replace(documents, rule=rule)


def site_ceiling() -> Ceiling:
    """Return what a site's shop can take at the most: it never has more than `REPLICAS`, whatever room and scaler say."""
    documents = site_documents()
    admission = documents.rule.spec.admission
    assert admission is not None
    shop_per_s = REPLICAS * admission.per_ready_replica_per_s
    allowed = Ceiling.of(documents.onsale)
    return Ceiling(min(allowed.rate_per_s, shop_per_s), allowed.burst)


def site_capacity() -> Capacity:
    """Return how many a site may have inside at once: what the rule allows for all of its replicas."""
    documents = site_documents()
    admission, limits = documents.rule.spec.admission, documents.onsale.spec.admission
    assert admission is not None
    assert admission.sessions_per_ready_replica is not None
    sessions = min(limits.capacity or math.inf, REPLICAS * admission.sessions_per_ready_replica)
    fallback_per_s = limits.rate_per_s if limits.fallback_rate_per_s is None else limits.fallback_rate_per_s
    return Capacity(int(sessions), fallback_per_s, limits.burst)


@asynccontextmanager
async def _written(sampler: Sampler, folder: Path) -> AsyncIterator[None]:
    """Write down in the end what was sampled, also of a sale that is broken off."""
    try:
        yield
    finally:
        write_records(folder / "rates.jsonl", sampler.rates)


def evidence_of(site: Site, sampler: Sampler, crowd: Crowd) -> Evidence:
    """Gather what buyers saw, what the shop logged and what was sampled."""
    served = [
        entry for log in site.stack.served_log.glob("*.jsonl") for entry in read_records(ServedEntry, log)
    ]
    return Evidence(crowd.seen(), served, sampler.rates, sampler.replicas)


def _buyers(fault: Fault) -> int:
    return round(FULL_RATE_PER_S * fault.sale_s)


def _is_over(striking: asyncio.Task[Struck] | None) -> bool:
    """Tell whether the fault is over, or never began; what went wrong in it ends the run."""
    if striking is not None and striking.done():
        striking.result()
    return striking is None or striking.done()


async def _strike(fault: Fault, site: Site, dice: random.Random) -> Struck:
    from_s = time.time()
    effect = await fault.strike(site, dice)
    return Struck(from_s, time.time(), effect)


def tracebacks(folder: Path) -> list[str]:
    """Return the beginning of the first traceback in each log that holds one; the logs lie in `folder` or below."""
    found = []
    for log in sorted(folder.rglob("*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        if _TRACEBACK in text:
            begin = text.index(_TRACEBACK)
            found.append(f"{log.name}: ...{text[max(0, begin - 300) : begin + 1500]}")
    return found
