"""Finds how the replicas of a target are seen one by one."""

from __future__ import annotations

from autoscaler.targets.base import Target
from autoscaler.targets.fleet import Fleet
from autoscaler.targets.local import LocalPool
from autoscaler.targets.local_fleet import LocalFleet


def fleet_of(target: Target) -> Fleet | None:
    """Return the fleet of a target; None where there is none to be seen."""
    if isinstance(target, LocalPool):
        return LocalFleet(target)
    # Half a second to import; where there is such a target it is loaded already.
    from autoscaler.targets.kubernetes import KubernetesTarget
    from autoscaler.targets.kubernetes_fleet import KubernetesFleet

    return KubernetesFleet(target) if isinstance(target, KubernetesTarget) else None
