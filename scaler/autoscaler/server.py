"""The scaler's HTTP side: metrics, health, and the whole last decision of each rule. It only reads; it runs the scaler by
keeping its context open for as long as the server is up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from autoscaler.leadership.standing import Leadership
from autoscaler.plan import Plan
from autoscaler.scaler import Scaler
from autoscaler.status import Json, RuleStatus, onsales_json, status_json

READY_ROUNDS = 3
"""A rule without a round for so many intervals is stuck."""

SCALER = web.AppKey("scaler", Scaler)
REGISTRY = web.AppKey("registry", CollectorRegistry)

OpenScaler = Callable[[], AbstractAsyncContextManager[Scaler]]


def make_app(open_scaler: OpenScaler, registry: CollectorRegistry) -> web.Application:
    """Make the application; the scaler is opened when it starts and closed when it is cleaned up."""

    async def scaler_context(app: web.Application) -> AsyncIterator[None]:
        async with open_scaler() as scaler:
            app[SCALER] = scaler
            yield

    app = web.Application()
    app[REGISTRY] = registry
    app.cleanup_ctx.append(scaler_context)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_health)
    app.router.add_get("/readyz", show_readiness)
    app.router.add_get("/status", show_status)
    return app


async def show_metrics(request: web.Request) -> web.Response:
    """Answer with the metrics, in the format that is asked for."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(request.app[REGISTRY]), headers={"Content-Type": content_type})


async def show_health(request: web.Request) -> web.Response:
    """Answer: the process is alive, and its event loop turns."""
    return web.Response(text="ok\n")


async def show_readiness(request: web.Request) -> web.Response:
    """Answer 200 while every rule is evaluated, or another scaler leads; what the rounds come to is for the metrics."""
    scaler = request.app[SCALER]
    now_s = scaler.clock.monotonic_s()
    stuck = [name for name, loop in scaler.loops.items() if _is_stuck(loop.status, now_s)]
    told = [
        f"{what}: {', '.join(names)}\n"
        for what, names in (("not started", scaler.crew.not_started), ("not evaluated lately", stuck))
        if names
    ]
    if told:
        return web.Response(status=503, text="".join(told))
    return web.Response(text="ok\n")


async def show_status(request: web.Request) -> web.Response:
    """Answer with all that is known of each rule, and of documents that are not in force."""
    scaler = request.app[SCALER]
    outdated = scaler.crew.plan.outdated
    rules = {
        name: {**status_json(loop.status), "outdated": name in outdated}
        for name, loop in scaler.loops.items()
    }
    documents = _documents_json(scaler.crew.plan, scaler.crew.loaded_at_s)
    return web.json_response(
        {
            "now": scaler.clock.now_s(),
            "leadership": _leadership_json(scaler.leadership),
            "documents": documents,
            "onsales": onsales_json(loop.status for loop in scaler.loops.values()),
            "rules": rules,
            "not_started": scaler.crew.not_started,
        }
    )


def _is_stuck(status: RuleStatus, now_s: float) -> bool:
    last_s = status.last_round_monotonic_s
    return last_s is None or now_s - last_s > READY_ROUNDS * status.interval_s


def _documents_json(plan: Plan, loaded_at_s: float | None) -> Json:
    """Encode what of the documents is not in force, and why."""
    return {
        "loaded_at": loaded_at_s,
        "problems": [{"rule": refusal.rule, "message": refusal.message} for refusal in plan.refusals],
    }


def _leadership_json(leadership: Leadership) -> Json:
    """Encode who leads, as far as this process knows; `elected` is false for one that is alone."""
    return {
        "leading": leadership.is_leading(),
        "elected": leadership.elected,
        "identity": leadership.identity,
        "holder": leadership.holder,
        "term": leadership.term,
    }
