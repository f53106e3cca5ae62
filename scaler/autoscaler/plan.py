"""Which rules are to be run, as far as documents can tell: the good ones, and for one that went bad its last good form.

It reads files and opens nothing. A mistake in one rule costs the others nothing; a rule whose file cannot be understood is taken
to be still there, because a file that is half written must not stop what it described.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoscaler.errors import ConfigurationError, DocumentsRefused
from autoscaler.settings import ScalerSettings
from autoscaler.signals import check_sources
from rulebook.loading import KINDS, Documents, Faulty, Survey, survey_documents
from rulebook.pool import ProcessPool
from rulebook.rule import ScalingRule

POOL_KIND = "ProcessPool"
RULE_KIND = "ScalingRule"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in the documents that is not in force, and why; `rule` is None where it concerns none in particular."""

    rule: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules to be run, and the pools which some of them scale.

    `outdated` names the rules in force whose documents have changed to something that cannot be used. `homes` tells the
    file each rule came from; `used` the pools that rules have scaled so far: they run, and keep their documents. It is
    `incomplete` while a document that may be a rule is in force in no form, so that nobody knows what it is to bound.
    """

    rules: Mapping[str, ScalingRule] = field(default_factory=dict)
    pools: Mapping[str, ProcessPool] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    outdated: frozenset[str] = frozenset()
    homes: Mapping[str, str] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    incomplete: bool = False

    def pool_of(self, rule: ScalingRule) -> ProcessPool:
        """Return the pool that is a rule's target."""
        return self.pools[rule.spec.target.name]


def is_pool(rule: ScalingRule) -> bool:
    """Tell whether a rule scales processes of this host; otherwise its target is in a cluster."""
    return rule.spec.target.kind == POOL_KIND


def make_plan(settings: ScalerSettings) -> Plan:
    """Load the documents and take what can be run.

    Raises:
        DocumentsRefused: no rule can be run, and documents are wrong in themselves.
        ConfigurationError: no rule can be run; there is none, or it asks for what cannot be done here.
    """
    survey = survey_documents(settings.rules)
    plan = _assemble(settings, survey, Plan())
    if plan.rules:
        return plan
    if survey.problems:
        raise DocumentsRefused(survey.problems)
    if plan.refusals:
        raise ConfigurationError(plan.refusals[0].message)
    places = ", ".join(str(path) for path in settings.rules)
    raise ConfigurationError(f"there is no ScalingRule in {places}")


def remake_plan(settings: ScalerSettings, before: Plan) -> Plan:
    """Load the documents again and take what can be run; a rule that cannot be stays as it was before. Never raises for them."""
    return _assemble(settings, survey_documents(settings.rules), before)


def _assemble(settings: ScalerSettings, survey: Survey, before: Plan) -> Plan:
    documents = survey.documents
    pools, refusals = _pools(documents, before)
    refusals += _broken(survey.faulty)
    wanted = {name: _as_run(rule, settings) for name, rule in documents.rules.items()}
    homes = {
        entry.document.name: entry.file for entry in documents.loaded if entry.document.kind == RULE_KIND
    }
    unclear = _unclear_names(survey.faulty)
    for name, rule in list(wanted.items()):
        refusal = _refusal_of(rule, pools, settings)
        if refusal is not None:
            refusals.append(refusal)
            unclear.add(name)
            del wanted[name]
        elif name in unclear and name in before.rules:
            del wanted[name]  # defined twice: which of the two is meant, nobody knows
    kept = {
        name: rule
        for name, rule in before.rules.items()
        if name not in wanted and (name in unclear or _is_hidden(before.homes.get(name), survey.faulty))
    }
    _settle_targets(wanted, kept, before, refusals)
    rules = {**wanted, **kept}
    return Plan(
        rules=dict(sorted(rules.items())),
        pools=pools,
        refusals=tuple(dict.fromkeys(refusals)),
        outdated=frozenset(kept),
        homes={**before.homes, **homes},
        used=before.used | {rule.spec.target.name for rule in rules.values() if is_pool(rule)},
        incomplete=_is_incomplete(rules, refusals, survey.faulty),
    )


def _settle_targets(
    wanted: dict[str, ScalingRule],
    kept: dict[str, ScalingRule],
    before: Plan,
    refusals: list[Refusal],
) -> None:
    """See that no two rules share a target: one that stays as it was keeps its own, also from a newcomer."""
    while True:
        owners = {rule.spec.target.key: name for name, rule in kept.items()}
        late = next((name for name, rule in wanted.items() if rule.spec.target.key in owners), None)
        if late is None:
            return
        rule = wanted.pop(late)
        owner = owners[rule.spec.target.key]
        message = f"rule {late}: {rule.spec.target} belongs to rule {owner}, whose last good form is in force"
        refusals.append(Refusal(late, message))
        if late in before.rules and before.rules[late].spec.target.key not in owners:
            kept[late] = before.rules[late]


def _pools(documents: Documents, before: Plan) -> tuple[dict[str, ProcessPool], list[Refusal]]:
    """Take the pools; those that run keep their documents, since their replicas were started by them."""
    running = {name: before.pools[name] for name in before.used}
    refusals = [
        Refusal(
            None,
            f"{POOL_KIND} {name} has changed: that takes effect when the scaler is started anew, until then it runs as it was",
        )
        for name, pool in running.items()
        if name in documents.pools and documents.pools[name] != pool
    ]
    return {**documents.pools, **running}, refusals


def _broken(faulty: tuple[Faulty, ...]) -> Iterator[Refusal]:
    for entry in faulty:
        rule = entry.name if entry.kind == RULE_KIND else None
        for problem in entry.problems:
            yield Refusal(rule, str(problem))


def _unclear_names(faulty: tuple[Faulty, ...]) -> set[str]:
    """Name what may be rules in a form that cannot be used: a misspelt kind may have been meant to be one."""
    others = KINDS.keys() - {RULE_KIND}
    return {entry.name for entry in faulty if entry.name is not None and entry.kind not in others}


def _is_incomplete(
    rules: Mapping[str, ScalingRule], refusals: list[Refusal], faulty: tuple[Faulty, ...]
) -> bool:
    """Whether a document that may be a rule is in force in no form: refused, without a name, or in a file that is no YAML."""
    others = KINDS.keys() - {RULE_KIND}
    if any(entry.name is None and entry.kind not in others for entry in faulty):
        return True
    refused = {refusal.rule for refusal in refusals if refusal.rule is not None}
    return not (refused | _unclear_names(faulty)) <= rules.keys()


def _is_hidden(home: str | None, faulty: tuple[Faulty, ...]) -> bool:
    """Whether the file a rule came from, or the folder with it, cannot be understood now."""
    if home is None:
        return False
    return any(entry.name is None and Path(home).is_relative_to(entry.file) for entry in faulty)


def _as_run(rule: ScalingRule, settings: ScalerSettings) -> ScalingRule:
    """A dry run of the whole scaler is one of each rule: `decide` then changes nothing and says what it would do."""
    if not settings.dry_run or rule.spec.dry_run:
        return rule
    return rule.model_copy(update={"spec": rule.spec.model_copy(update={"dry_run": True})})


def _refusal_of(
    rule: ScalingRule, pools: Mapping[str, ProcessPool], settings: ScalerSettings
) -> Refusal | None:
    try:
        check_sources(rule, prometheus=settings.prometheus is not None)
        _check_target(rule, pools, settings)
    except ConfigurationError as error:
        return Refusal(rule.name, str(error))
    return None


def _check_target(rule: ScalingRule, pools: Mapping[str, ProcessPool], settings: ScalerSettings) -> None:
    target = rule.spec.target
    if not is_pool(rule):
        _check_cluster(rule, settings)
        return
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


def _check_cluster(rule: ScalingRule, settings: ScalerSettings) -> None:
    """See that a cluster is named; whether it can be reached is for the rounds."""
    from autoscaler.kubernetes.cluster import access_of  # half a second to import, so only where it is needed

    try:
        access_of(settings)
    except ConfigurationError as error:
        raise ConfigurationError(f"rule {rule.name}: {rule.spec.target}: {error}") from error
