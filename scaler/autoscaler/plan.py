"""Sees before the start that every rule can be run as it stands: documents, sources, targets. It opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.errors import ConfigurationError, DocumentsRefused
from autoscaler.settings import ScalerSettings
from autoscaler.signals import check_sources
from rulebook.errors import DocumentErrors
from rulebook.loading import load_documents
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule

POOL_KIND = "ProcessPool"


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules to be run, and the pool which each of them scales."""

    rules: tuple[ScalingRule, ...]
    pools: Mapping[str, ProcessPool]

    def pool_of(self, rule: ScalingRule) -> ProcessPool:
        """Return the pool that is a rule's target."""
        return self.pools[rule.spec.target.name]


def make_plan(settings: ScalerSettings) -> Plan:
    """Load the documents and check what the scaler asks of them.

    Raises:
        DocumentsRefused: documents are wrong in themselves.
        ConfigurationError: they ask for what cannot be done here.
    """
    try:
        documents = load_documents(settings.rules)
    except DocumentErrors as error:
        raise DocumentsRefused(error.problems) from error
    if not documents.rules:
        places = ", ".join(str(path) for path in settings.rules)
        raise ConfigurationError(f"there is no ScalingRule in {places}")
    rules = tuple(_as_run(rule, settings) for rule in documents.rules.values())
    for rule in rules:
        check_sources(rule, prometheus=settings.prometheus is not None)
        _check_target(rule, documents.pools)
    return Plan(rules, documents.pools)


def _as_run(rule: ScalingRule, settings: ScalerSettings) -> ScalingRule:
    """A dry run of the whole scaler is one of each rule: `decide` then changes nothing and says what it would do."""
    if not settings.dry_run or rule.spec.dry_run:
        return rule
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"dry_run": True})})


def _check_target(rule: ScalingRule, pools: Mapping[str, ProcessPool]) -> None:
    target = rule.spec.target
    if target.kind != POOL_KIND:
        raise ConfigurationError(
            f"rule {rule.name}: the target {target} is not supported yet; only targets of kind {POOL_KIND} are"
        )
    pool = pools.get(target.name)
    if pool is None:
        known = f"there are {', '.join(sorted(pools))}" if pools else "there is none at all"
        raise ConfigurationError(f"rule {rule.name}: no {POOL_KIND} is named {target.name}; {known}")
    ports = pool.spec.ports
    if ports.count < rule.spec.replicas.max:
        raise ConfigurationError(
            f"rule {rule.name}: {target} has {ports.count} ports ({ports.first}-{ports.last}), "
            f"too few for replicas.max {rule.spec.replicas.max}"
        )
