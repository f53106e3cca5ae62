"""The pages which show: all services, one of them, the audit log. They change nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiohttp import web

from autoscaler.console.base import CONSOLE, render, static_files
from autoscaler.console.fleets import fleet_of
from autoscaler.console.onsales import onsale_view
from autoscaler.console.roomadmin import Overview
from autoscaler.console.views import (
    lately,
    replicas_plot,
    row_not_started,
    service_row,
    signal_rows,
    summary_of,
)
from autoscaler.errors import AutoscalerError, brief
from autoscaler.loop import RuleLoop
from autoscaler.plan import is_pool
from autoscaler.targets.fleet import PodView
from rulebook.rule import ScalingRule

EVENTS_SHOWN = 60


async def show_services(request: web.Request) -> web.Response:
    """All services, and the onsales beside them."""
    console = request.app[CONSOLE]
    scaler = console.scaler()
    plan, now_s = scaler.crew.plan, scaler.clock.monotonic_s()
    refused = scaler.crew.not_started
    rows = [
        service_row(
            plan.rules[name],
            loop.status,
            outdated=name in plan.outdated,
            now_s=now_s,
            refused=refused.get(name, ""),
        )
        for name, loop in scaler.loops.items()
        if name in plan.rules
    ]
    rows += [
        row_not_started(plan.rules[name], error)
        for name, error in refused.items()
        if name in plan.rules and name not in scaler.loops
    ]
    rows.sort(key=lambda row: row.name)
    return render(
        request,
        "services.html",
        rows=rows,
        summary=summary_of(Counter(row.status.grade for row in rows)),
        refusals=plan.refusals,
        happenings=console.chronicle.happenings()[:12],
        **await onsales_for(request),
    )


async def show_service(request: web.Request) -> web.Response:
    """One service: its decision step by step, its signals, pods and events."""
    console = request.app[CONSOLE]
    rule, loop = console.rule(request.match_info["rule"])
    scaler = console.scaler()
    plan, now_s, status = scaler.crew.plan, scaler.clock.monotonic_s(), loop.status
    pods, problem = await pods_of(loop)
    rounds = lately(console.chronicle.rounds(rule.name), status.interval_s)
    pool = rule.spec.target.name if is_pool(rule) else ""
    return render(
        request,
        "service.html",
        rule=rule,
        status=status,
        row=service_row(
            rule,
            status,
            outdated=rule.name in plan.outdated,
            now_s=now_s,
            refused=scaler.crew.not_started.get(rule.name, ""),
        ),
        document=written(rule),
        home=plan.homes.get(rule.name, ""),
        pods=pods,
        pods_problem=problem,
        can_restart=fleet_of(loop.target) is not None,
        plot=replicas_plot(rounds, status.interval_s, rule.spec.replicas.max),
        signals=signal_rows(rule, status, rounds),
        happenings=console.chronicle.happenings(rule.name, pool)[:EVENTS_SHOWN],
    )


async def show_onsales(request: web.Request) -> web.Response:
    """All onsales."""
    return render(request, "onsales.html", **await onsales_for(request))


async def show_audit(request: web.Request) -> web.Response:
    """Who did what by the console, and who was refused."""
    audit = request.app[CONSOLE].audit
    entries, strangers = await audit.entries(), await audit.strangers()
    return render(request, "audit.html", entries=entries, strangers=strangers, problem=audit.error)


async def show_static(request: web.Request) -> web.Response:
    """Our scripts and styles."""
    found = static_files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound(text="There is no such file.")
    body, kind = found
    return web.Response(body=body, content_type=kind, headers={"Cache-Control": "no-cache"})


async def pods_of(loop: RuleLoop) -> tuple[tuple[PodView, ...], str]:
    """Return the pods of a rule's target, or why they cannot be told."""
    fleet = fleet_of(loop.target)
    if fleet is None:
        return (), "pods of this kind of target cannot be listed"
    try:
        return await fleet.pods(), ""
    except AutoscalerError as error:
        return (), brief(error)


async def onsales_for(request: web.Request) -> dict[str, Any]:
    """Return the onsales as templates take them."""
    room = request.app[CONSOLE].room
    overview = Overview() if room is None else await room.overview()
    return {"onsales": [onsale_view(answer) for answer in overview.onsales], "room_problem": overview.error}


def written(rule: ScalingRule) -> str:
    """Write a rule as its document has it."""
    return rule.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True, indent=2)
