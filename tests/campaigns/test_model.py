"""The model: nothing ends badly in the protocol, something does in every weakened variant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.models import Kind, State
from snapshots.operations import times
from snapshots.operations.states import ALLOWED
from tests.campaigns import protocol
from tests.campaigns.model import NEEDED, SCENES, Walk, walk
from tests.campaigns.protocol import Look, Op, Weaker


@pytest.fixture(scope="module")
def walks() -> dict[str, Walk]:
    return {scene: walk(scene) for scene in SCENES}


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_ends_badly(walks, scene):
    assert walks[scene].wrong == "", "\n".join(walks[scene].story)


def test_every_way_of_the_table_is_gone_and_no_other(walks):
    assert set().union(*(each.used for each in walks.values())) == ALLOWED


def test_as_many_states_as_the_documentation_says(walks):
    assert sum(each.states for each in walks.values()) > 80_000


@pytest.mark.parametrize(
    ("weaker", "scene"), [(weaker, scene) for weaker in Weaker for scene in NEEDED[weaker]]
)
def test_with_one_thing_left_out_it_ends_badly(weaker, scene):
    assert walk(scene, weaker).story


spans = st.sampled_from([0, 0, 1, 1, 2, 4, 10, 20])  # in steps
looks = st.lists(
    st.tuples(spans, st.sampled_from([True, True, True, False]), st.integers(0, 3)), max_size=12
)


@given(
    looks,
    st.sampled_from([Kind.CREATE, Kind.RESTORE, Kind.DELETE, Kind.STOP]),
    st.sampled_from([State.IN_DOUBT, State.RUNNING]),
    st.booleans(),
)
@settings(max_examples=1000)
def test_what_the_model_forgets_of_the_looks_makes_no_difference(drawn, kind, state, keeps):
    if kind == Kind.DELETE:
        state = State.IN_DOUBT
    op, seen = Op(kind, state, age=0), ()
    with override_settings(PROVIDER_PACE=protocol.PACE):
        for steps, complete, phase in drawn:
            if steps:
                op = op._replace(age=op.age + steps * protocol.STEP)
                op = op._replace(seen=protocol.brief(op, op.seen))
            look = Look(op.age, complete, protocol.shown_word(kind, phase) if complete else "")
            seen = (*seen, look)
            op = op._replace(seen=protocol.brief(op, (*op.seen, look)))
            whole = protocol.decided(kind, state, seen, op.age, keeps, None)
            assert protocol.decided(kind, state, op.seen, op.age, keeps, None) == whole
            if whole:
                return


def test_the_models_times_are_the_protocols():
    with override_settings(PROVIDER_PACE=protocol.PACE):
        claim = times.CLAIM
        assert claim == timedelta(seconds=protocol.CLAIM)
        assert protocol.FENCE == times.FENCE
        assert timedelta(seconds=protocol.LOOK_HOLDS) == times.LOOK_HOLDS
        assert times.between_proofs() == timedelta(seconds=protocol.STEP)
        # The last request leaves before the fence; it may arrive until the quiet window ends.
        last = protocol.FENCE // protocol.STEP * protocol.STEP
        assert claim + times.quiet_window() == timedelta(seconds=last + protocol.ARRIVES_WITHIN)
