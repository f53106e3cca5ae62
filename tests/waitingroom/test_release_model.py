"""The release script on a real store against a model of it, over any run of events: P2, P4, P5 and "claimed exactly once"."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.benchmarks.bound import Mark, excess
from tests.segments import TargetSegment
from tests.waitingroom import samples
from tests.waitingroom.release_model import MISSED_US, SECOND, Limits, RoomModel, Target
from tests.waitingroom.virtual_store import VirtualStore

BEGIN_US = 1_700_000_000 * SECOND + 123_456
# The store's tokens are doubles: they may differ from the model's fractions by less than this, and no count may differ at all.
HAIR = Fraction(1, 10**9)

Reply = TypeVar("Reply")

rates = st.sampled_from([0.5, 1.0, 3.0, 10.0, 33.3, 50.0, 333.0]).map(Fraction)
times = st.one_of(st.integers(1, 1_000), st.integers(1_000, 2 * SECOND), st.integers(SECOND, 300 * SECOND))
capacities = st.one_of(st.none(), st.integers(0, 30))
any_limits = st.builds(
    Limits,
    rate=rates,
    burst=st.integers(1, 20),
    capacity=capacities,
    fallback=st.one_of(st.none(), rates),
    claim_us=st.sampled_from([1_000, 5 * SECOND, 30 * SECOND, 120 * SECOND]),
    hold=st.just(False),
)


class ReleaseMachine(RuleBasedStateMachine):
    """Every rule acts on the store and on the model; then all that both know must be equal."""

    def __init__(self, store_url: str) -> None:
        super().__init__()
        self.store = VirtualStore(store_url, "cactus")
        self.scripts = self.store.scripts
        self.now_us = BEGIN_US
        self.devices = 0
        self.admitted: list[int] = []
        self.marks: list[Mark] = []
        self.brought = Fraction(0)
        self.sizes_here: list[Fraction] = []
        self.sizes_since: list[Fraction] = []
        self.model: RoomModel

    def teardown(self) -> None:
        self.store.close()
        assert excess(self.marks) <= HAIR, "P4: more was released than the bucket may let through"
        assert len(self.admitted) == len(set(self.admitted)), "a place was admitted twice"

    # --- what happens

    @initialize(limits=any_limits)
    def begin(self, limits: Limits) -> None:
        self.store.empty()
        self.store.set_clock(self.now_us)
        self.model = RoomModel(limits, refilled_us=self.now_us)
        self.store.do(self.scripts.configure(store_settings(limits)))
        self.note_size()

    @rule(count=st.integers(1, 40))
    def join(self, count: int) -> None:
        self.join_as(range(self.devices, self.devices + count))

    @rule(data=st.data())
    @precondition(lambda self: self.devices)
    def join_again(self, data: st.DataObject) -> None:
        """Devices come back, some of them twice in one batch, a new one among them perhaps."""
        numbers = st.lists(st.integers(max(0, self.devices - 50), self.devices), min_size=1, max_size=5)
        self.join_as(data.draw(numbers, label="devices"))

    @rule(time_us=times)
    def wait(self, time_us: int) -> None:
        self.pass_time(self.now_us + time_us)

    @rule(data=st.data())
    def wait_for_an_edge(self, data: st.DataObject) -> None:
        """Go to the very microsecond at which something begins or ends, or to the one before."""
        model = self.model
        edges = {batch.at_us + model.limits.claim_us for batch in model.batches} | set(
            model.sessions.values()
        )
        edges |= {
            edge
            for target in model.targets
            for edge in (target.begins_us, target.ends_us, target.ends_us + MISSED_US)
        }
        edges |= {(self.now_us // SECOND + 1) * SECOND}
        ahead = sorted(moment for edge in edges for moment in (edge - 1, edge) if moment > self.now_us)
        self.pass_time(data.draw(st.sampled_from(ahead), label="moment"))

    @rule()
    def advance(self) -> None:
        now_us = self.now_us
        snapshot = self.store.do(self.scripts.advance())
        self.follow(lambda model: model.turn(now_us), None)
        model = self.model
        assert snapshot.rate_per_s == float(model.rate(now_us))
        assert snapshot.sessions == len(model.live(now_us))
        if not model.limits.hold:
            assert snapshot.capacity == model.capacity(now_us)
            waiting = model.late or model.tail > model.released
            due = model.tokens - HAIR >= 1 and waiting and model.free(now_us) >= 1
            assert not due, "P5: buyers wait for nothing"

    @rule(data=st.data(), length_us=st.sampled_from([1, SECOND, 60 * SECOND, 600 * SECOND]))
    def claim(self, data: st.DataObject, length_us: int) -> None:
        """Claim any place there is: mostly one whose turn has come, lately or long ago."""
        model, now_us = self.model, self.now_us
        choices = [st.integers(1, model.tail + 1)]
        if model.released:
            choices += [st.integers(1, model.released), st.integers(max(1, model.settled), model.released)]
        if model.settled:
            choices += [st.integers(1, model.settled)]
        position = data.draw(st.one_of(choices), label="position")
        session = session_of(position)
        epoch = int(self.store.room()["epoch"])
        claim = self.store.do(self.scripts.claim(epoch, position, session, length_us / SECOND, 300.0))
        ends_in_us = min(length_us, 300 * SECOND)
        self.follow(lambda model: model.claim(position, session, ends_in_us, now_us), str(claim.outcome))
        if claim.outcome == "admitted":
            self.admitted.append(position)

    @rule(data=st.data())
    @precondition(lambda self: self.admitted)
    def end_session(self, data: st.DataObject) -> None:
        session = session_of(data.draw(st.sampled_from(self.admitted), label="place"))
        live = self.store.do(self.scripts.end([session]))[session]
        assert self.model.end(session, self.now_us) == live

    @rule(
        name=st.sampled_from(["web", "database"]),
        rate=st.one_of(st.just(Fraction(0)), rates),
        capacity=capacities,
        begins_in_us=st.one_of(st.just(0), times),
        good_for_us=times,
    )
    def write_target(
        self, name: str, rate: Fraction, capacity: int | None, begins_in_us: int, good_for_us: int
    ) -> None:
        """As a scaler does: appended; a rule's later segment never begins before its earlier ones."""
        begins_us = self.now_us + begins_in_us
        assume(all(old.begins_us <= begins_us for old in self.model.targets if old.rule == name))
        target = Target(name, begins_us, begins_us + good_for_us, rate, capacity)
        self.store.append_target(segment_text(target))
        self.model.targets.append(target)
        self.note_size()

    @rule(data=st.data(), longer_us=times)
    @precondition(lambda self: self.extendable())
    def extend_target(self, data: st.DataObject, longer_us: int) -> None:
        """As a scaler does while nothing has changed: the newest segment of a rule, still good, is made to last longer."""
        index = data.draw(st.sampled_from(self.extendable()), label="segment")
        old = self.model.targets[index]
        target = replace(old, ends_us=old.ends_us + longer_us)
        self.store.replace_target(index, segment_text(target))
        self.model.targets[index] = target

    @rule(name=st.sampled_from(["web", "database"]))
    def withdraw_target(self, name: str) -> None:
        """As a scaler does for a rule that was taken away: from now on it counts no more."""
        assume(all(old.begins_us <= self.now_us for old in self.model.targets if old.rule == name))
        target = Target(name, self.now_us, self.now_us, Fraction(0), None, withdrawn=True)
        self.store.append_target(segment_text(target))
        self.model.targets.append(target)
        self.note_size()

    @rule(limits=any_limits)
    def reconfigure(self, limits: Limits) -> None:
        self.put_in_force(limits)

    @rule()
    def hold_or_let_go(self) -> None:
        self.put_in_force(replace(self.model.limits, hold=not self.model.limits.hold))

    # --- what must hold after each of them

    @invariant()
    def the_store_knows_what_the_model_knows(self) -> None:
        assert self.store.read(self.now_us) == self.known_by(self.model)
        assert self.model.tokens >= 0

    # --- how

    def pass_time(self, until_us: int) -> None:
        """Move the clock, and note for P4 what the rates bring on the way."""
        edges = [self.now_us, *self.model.edges(self.now_us, until_us), until_us]
        for begin, end in itertools.pairwise(edges):
            self.brought += self.model.rate(begin) * (end - begin) / SECOND
            self.sizes_here = [self.model.size(begin)]
            self.sizes_since += self.sizes_here
        self.now_us = until_us
        self.note_size()
        self.store.set_clock(until_us)

    def note_size(self) -> None:
        """Note for P4 that a bucket is in force at this moment; where the size changes now, both count."""
        self.sizes_here.append(self.model.size(self.now_us))

    def join_as(self, numbers: Any) -> None:
        devices = [samples.device(number) for number in numbers]
        given = self.store.do(self.scripts.join(devices))
        wrong = self.model.join(devices, [place.number for place in given], self.now_us)
        assert wrong is None, f"P2: {wrong}"
        self.devices = max(self.devices, *(number + 1 for number in numbers))

    def put_in_force(self, limits: Limits) -> None:
        now_us = self.now_us
        self.store.do(self.scripts.configure(store_settings(limits)))
        self.follow(lambda model: model.configure(limits, now_us), None)
        self.note_size()

    def extendable(self) -> list[int]:
        newest = {target.rule: index for index, target in enumerate(self.model.targets)}
        return [index for index in newest.values() if self.now_us < self.model.targets[index].ends_us]

    def follow(self, act: Callable[[RoomModel], Reply], replied: Reply) -> None:
        """Let the model do what the store did, and take on the store's rounding of the tokens."""
        known = self.store.read(self.now_us)
        tokens = Fraction(float(self.store.room()["tokens"]))
        before, first = self.model, None
        for nudge in (Fraction(0), -HAIR, HAIR):
            model = copy.deepcopy(before)
            model.nudge = nudge
            came_out = act(model), self.known_by(model)
            first = first or (*came_out, float(model.tokens))
            if came_out == (replied, known) and abs(model.tokens - tokens) < HAIR:
                break
        else:
            assert (replied, known, float(tokens)) == first
        self.note_releases(before, model)
        model.tokens = tokens
        self.model = model

    def note_releases(self, before: RoomModel, after: RoomModel) -> None:
        """Note for P4: what is released is outstanding until it is claimed or a no-show, so these three tell all of it."""
        released = [len(model.claimed) + model.no_shows + model.outstanding() for model in (before, after)]
        allowed = [self.brought + model.no_shows for model in (before, after)]
        here, since = max(self.sizes_here), max(self.sizes_since + self.sizes_here)
        self.marks.append(Mark(released[0], released[1], allowed[0], allowed[1], here, since))
        self.sizes_since = []

    def known_by(self, model: RoomModel) -> dict[str, object]:
        """Say what the model knows as `VirtualStore.read` says it of the store."""
        return {
            "tail": model.tail,
            "released": model.released,
            "settled": model.settled,
            "outstanding": model.outstanding(),
            "claimed": len(model.claimed),
            "no_shows": model.no_shows,
            "bits": len(model.claimed),
            "late": model.late,
            "batches": [
                (*map(str, (batch.positions[0], batch.positions[-1], batch.at_us)), "rl"[batch.late])
                for batch in model.batches
            ],
            "sessions": {session: model.sessions[session] for session in model.live(self.now_us)},
            "targets": [segment_text(target) for target in model.targets],
        }


def store_settings(limits: Limits) -> dict[str, str]:
    return samples.settings(
        rate=repr(float(limits.rate)),
        burst=str(limits.burst),
        capacity="" if limits.capacity is None else str(limits.capacity),
        fallback="" if limits.fallback is None else repr(float(limits.fallback)),
        claim_us=str(limits.claim_us),
        hold="held" if limits.hold else "",
    )


def session_of(position: int) -> str:
    return f"session-{position}"


def segment_text(target: Target) -> str:
    segment = TargetSegment(
        target.rule, target.begins_us, target.ends_us, float(target.rate), target.capacity, "so it says", 0,
        target.withdrawn,
    )  # fmt: skip
    return segment.to_json()


@pytest.mark.parametrize("examples", [50, pytest.param(2_000, marks=pytest.mark.slow)])
def test_the_release_script_does_what_the_model_does(store_url: str, examples: int) -> None:
    run_state_machine_as_test(
        cast("type[ReleaseMachine]", lambda: ReleaseMachine(store_url)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
