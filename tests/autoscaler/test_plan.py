"""Which rules are in force: the good ones of the documents, and the last good form of those that went bad."""

from pathlib import Path

import pytest

from autoscaler.errors import DocumentsRefused
from autoscaler.plan import Plan, make_plan, remake_plan
from autoscaler.settings import ScalerSettings

POOL = """\
apiVersion: tidegate.dev/v1
kind: ProcessPool
metadata: {name: %s}
spec: {command: [serve, "{port}"], ports: {from: 9000, to: 9009}}
"""
RULE = """\
apiVersion: tidegate.dev/v1
kind: ScalingRule
metadata: {name: %s}
spec:
  target: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: %s}
  replicas: {min: 1, max: %d}
  signals: [{name: busy, exposition: {gauge: busy}, perReplica: 10}]
"""


class Documents:
    """A folder with pools `shop` and `site`, and rules as a test writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = ScalerSettings(rules=(folder,))
        self.write("pools", POOL % "shop" + "---\n" + POOL % "site")

    def write(self, file: str, text: str) -> None:
        (self.folder / f"{file}.yaml").write_text(text)

    def rule(self, name: str, pool: str = "shop", most: int = 4, file: str | None = None) -> None:
        self.write(file or name, RULE % (name, pool, most))

    def remake(self, before: Plan) -> Plan:
        return remake_plan(self.settings, before)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    return Documents(tmp_path)


def most(plan: Plan) -> dict[str, int]:
    """The maximum of each rule in force, by which tests tell its forms apart."""
    return {name: rule.spec.replicas.max for name, rule in plan.rules.items()}


def test_a_good_rule_starts_beside_a_bad_one_which_is_told(documents: Documents) -> None:
    documents.rule("shop")
    documents.write("site", RULE % ("site", "site", 4) + "  replica: 3\n")
    plan = make_plan(documents.settings)
    assert most(plan) == {"shop": 4}
    (refusal,) = plan.refusals
    assert refusal.rule == "site"
    assert refusal.message.startswith(f"{documents.folder / 'site.yaml'}:8:3: spec.replica: ")


def test_only_bad_rules_are_no_start(documents: Documents) -> None:
    documents.write("shop", RULE % ("shop", "shop", 0))
    with pytest.raises(DocumentsRefused):
        make_plan(documents.settings)


def test_a_changed_rule_replaces_its_old_form(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    documents.rule("shop", most=7)
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated, plan.refusals) == ({"shop": 7}, frozenset(), ())


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(RULE % ("shop", "shop", 0), id="a wrong value"),
        pytest.param(RULE % ("shop", "shop", 4) + "   - : [\n", id="no YAML"),
        pytest.param((RULE % ("shop", "shop", 4)).replace("ScalingRule", "ScalingRul"), id="a misspelt kind"),
        pytest.param(
            (RULE % ("shop", "shop", 4)).replace("name: shop}\nspec", "nam: shop}\nspec"), id="no name"
        ),
        pytest.param(RULE % ("shop", "shoe", 4), id="an unknown pool"),
        pytest.param(RULE % ("shop", "shop", 11), id="too few ports"),
    ],
)
def test_a_rule_that_went_bad_stays_in_its_last_good_form(documents: Documents, broken: str) -> None:
    documents.rule("shop")
    documents.rule("site", pool="site")
    plan = make_plan(documents.settings)
    documents.write("shop", broken)
    documents.rule("site", pool="site", most=6)
    plan = documents.remake(plan)
    assert most(plan) == {"shop": 4, "site": 6}
    assert plan.outdated == {"shop"}
    assert plan.refusals
    documents.rule("shop", most=5)
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated, plan.refusals) == ({"shop": 5, "site": 6}, frozenset(), ())


@pytest.mark.parametrize(
    ("text", "incomplete"),
    [
        pytest.param("", False, id="sound"),
        pytest.param(RULE % ("new", "site", 0), True, id="a new rule with a mistake"),
        pytest.param(RULE % ("new", "shoe", 4), True, id="a new rule that cannot be run here"),
        pytest.param("kind: [", True, id="no YAML"),
        pytest.param((RULE % ("new", "site", 4)).replace("ScalingRule", "ScalingRul"), True, id="a misspelt kind"),
        pytest.param(RULE % ("shop", "shop", 0), False, id="a rule in its last good form"),
        pytest.param((POOL % "spare").replace("9009", "90"), False, id="a pool with a mistake"),
    ],
)  # fmt: skip
def test_a_plan_is_incomplete_while_what_may_be_a_rule_is_in_force_in_no_form(
    documents: Documents, text: str, incomplete: bool
) -> None:
    documents.rule("shop")
    documents.rule("site", pool="site")
    plan = make_plan(documents.settings)
    (documents.folder / "site.yaml").unlink()
    documents.write("shop" if "name: shop}" in text.partition("spec")[0] else "new", text)
    plan = documents.remake(plan)
    assert (most(plan), plan.incomplete) == ({"shop": 4}, incomplete)


def test_a_rule_whose_document_is_gone_is_gone(documents: Documents) -> None:
    documents.rule("shop")
    documents.rule("site", pool="site")
    plan = make_plan(documents.settings)
    (documents.folder / "site.yaml").unlink()
    plan = documents.remake(plan)
    assert (most(plan), plan.refusals) == ({"shop": 4}, ())


def test_a_folder_that_vanishes_or_is_emptied_takes_no_rule_with_it(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    for file in documents.folder.iterdir():
        file.unlink()
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated) == ({"shop": 4}, {"shop"})
    documents.folder.rmdir()
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated) == ({"shop": 4}, {"shop"})
    assert "cannot be read" in plan.refusals[0].message


def test_two_rules_may_change_targets_with_each_other(documents: Documents) -> None:
    documents.rule("one", pool="shop")
    documents.rule("two", pool="site")
    plan = make_plan(documents.settings)
    documents.rule("one", pool="site")
    documents.rule("two", pool="shop")
    plan = documents.remake(plan)
    assert {name: rule.spec.target.name for name, rule in plan.rules.items()} == {
        "one": "site",
        "two": "shop",
    }
    assert plan.refusals == ()


def test_a_newcomer_does_not_take_the_target_of_a_rule_that_went_bad(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    documents.write("shop", RULE % ("shop", "shop", 0))
    documents.rule("another")
    plan = documents.remake(plan)
    assert most(plan) == {"shop": 4}
    told = [refusal.message for refusal in plan.refusals if refusal.rule == "another"]
    assert told == ["rule another: ProcessPool shop belongs to rule shop, whose last good form is in force"]


def test_of_two_rules_on_a_target_the_one_that_had_it_keeps_it(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    documents.rule("another", file="a-file-that-is-read-first")
    plan = documents.remake(plan)
    assert most(plan) == {"shop": 4}
    assert {refusal.rule for refusal in plan.refusals} == {"another", "shop"}


def test_a_rule_that_is_written_twice_stays_as_it_was(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    documents.rule("shop", most=9, file="a-file-that-is-read-first")
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated) == ({"shop": 4}, {"shop"})
    assert "already defined" in plan.refusals[0].message


def test_another_autoscaler_on_a_target_keeps_its_rule_from_starting(documents: Documents) -> None:
    documents.rule("shop")
    documents.rule("site", pool="site")
    documents.write(
        "hpa",
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: old}\n"
        "spec: {scaleTargetRef: {apiVersion: tidegate.dev/v1, kind: ProcessPool, name: site}}\n",
    )
    plan = make_plan(documents.settings)
    assert most(plan) == {"shop": 4}
    assert [refusal.rule for refusal in plan.refusals] == ["site"]


def test_a_mistake_in_a_document_of_another_kind_changes_no_rule(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    documents.rule("shop", most=5)
    documents.write("onsale", "apiVersion: tidegate.dev/v1\nkind: Onsale\nmetadata: {name: shop}\nspec: {}\n")
    plan = documents.remake(plan)
    assert (most(plan), plan.outdated) == ({"shop": 5}, frozenset())
    assert {refusal.rule for refusal in plan.refusals} == {None}


def test_a_pool_that_runs_keeps_its_document(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    changed = (POOL % "shop").replace("9009", "9019") + "---\n" + (POOL % "site").replace("9009", "9019")
    documents.write("pools", changed)
    plan = documents.remake(plan)
    assert (plan.pools["shop"].spec.ports.last, plan.pools["site"].spec.ports.last) == (9009, 9019)
    (refusal,) = plan.refusals
    assert refusal.message.startswith("ProcessPool shop has changed: that takes effect when")


def test_a_pool_that_runs_outlives_its_document(documents: Documents) -> None:
    documents.rule("shop")
    plan = make_plan(documents.settings)
    (documents.folder / "pools.yaml").unlink()
    documents.rule("shop", most=6)
    plan = documents.remake(plan)
    assert (most(plan), plan.refusals) == ({"shop": 6}, ())


def test_a_rule_in_its_last_good_form_stays_a_dry_run(documents: Documents) -> None:
    settings = ScalerSettings(rules=(documents.folder,), dry_run=True)
    documents.rule("shop")
    plan = make_plan(settings)
    documents.write("shop", "kind: [")
    plan = remake_plan(settings, plan)
    assert plan.rules["shop"].spec.dry_run
