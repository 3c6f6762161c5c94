import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages.incident import NO_NODE
from swarm.errors import UsageError
from swarm.gpu.faults.categories import CATEGORIES, JOB_SIDE
from swarm.gpu.faults.hazard import Hazard, JobFailures, Lemons, fit_job_failures
from swarm.gpu.faults.preset import load_preset, preset_names
from swarm.gpu.faults.presets.llama3_405b import COUNTS
from swarm.gpu.faults.process import job_side, lemon_nodes, pick, sound_nodes, storms
from swarm.kernel.rng import Stream

PRESETS = pytest.mark.parametrize("name", preset_names())


def stream(seed: int = 0) -> Stream:
    return Stream(seed=seed, owner="fault_source-0", name="nodes/what")


@PRESETS
def test_every_preset_loads_and_names_known_categories(name: str) -> None:
    hazard = load_preset(name)

    assert {category for category, _ in hazard.shares} <= set(CATEGORIES)
    assert 0 < hazard.mttf_hours(2_048) < hazard.mttf_hours(1) < math.inf


def test_an_unknown_preset_is_answered_with_the_list() -> None:
    with pytest.raises(UsageError, match="'rsc3'; there are llama3_405b, rsc1, rsc2"):
        load_preset("rsc3")


def test_llama_has_its_419_interruptions_in_54_days_on_2048_nodes() -> None:
    hazard = load_preset("llama3_405b")

    assert sum(count for _, count in COUNTS) == 419
    assert hazard.run_per_day(2_048) * 54 == pytest.approx(419)
    assert hazard.per_node_day * 1_000 == pytest.approx(3.79, abs=0.005)


def test_rsc1_fits_the_published_failures_of_small_and_of_large_jobs() -> None:
    hazard = load_preset("rsc1")

    assert hazard.per_node_day * 1_000 == pytest.approx(6.50)
    assert hazard.mttf_hours(1) / 24 == pytest.approx(47.7)
    assert hazard.mttf_hours(128) == pytest.approx(7.9)


def test_no_single_rate_of_rsc1_does_that() -> None:
    by_hardware = 24 / (128 * load_preset("rsc1").per_node_day)

    assert by_hardware > 3 * 7.9


def test_beyond_the_measured_sizes_only_the_nodes_add_failures() -> None:
    hazard = load_preset("rsc1")

    more = hazard.run_per_day(2_048) - hazard.run_per_day(1_024)

    assert more == pytest.approx(1_024 * hazard.per_node_day)


def test_evicting_all_lemons_of_rsc1_takes_what_was_published_from_a_cluster_wide_job() -> None:
    hazard = load_preset("rsc1")
    lemons = hazard.lemons
    assert lemons is not None

    before = hazard.run_per_day(2_000)
    after = before - 2_000 * hazard.per_node_day * lemons.share_of_faults

    assert after / before == pytest.approx(math.log(1 - 0.04) / math.log(1 - 0.14))


def test_sound_nodes_and_lemons_add_up_to_the_average_node() -> None:
    hazard = load_preset("rsc1")
    lemons = hazard.lemons
    assert lemons is not None

    share = lemons.share_of_nodes
    mean = (1 - share) * hazard.sound_per_node_day + share * hazard.lemon_per_node_day

    assert mean == pytest.approx(hazard.per_node_day)


@given(st.floats(0.1, 5.0), st.floats(30 * 24, 40 * 24), st.floats(5.0, 7.0))
def test_a_fit_gives_back_what_it_was_fitted_to(
    per_1000: float, small_hours: float, large_hours: float
) -> None:
    failures = fit_job_failures(per_1000, small=(1, small_hours), large=(128, large_hours))

    hazard = Hazard(
        per_node_day=per_1000 / 1_000, shares=(("faulty_gpu", 1.0),), job_failures=failures
    )

    assert hazard.mttf_hours(1) == pytest.approx(small_hours)
    assert hazard.mttf_hours(128) == pytest.approx(large_hours)


def test_hardware_that_fails_more_often_than_jobs_cannot_be_fitted() -> None:
    with pytest.raises(UsageError, match="exceed the published failures of jobs"):
        fit_job_failures(100.0, small=(1, 47.7 * 24), large=(128, 7.9))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"per_node_day": -1.0}, "rates and weights of faults must be at least 0"),
        ({"shares": (("faulty_gpu", 0.0),)}, "one weight above it"),
        ({"shares": (("gremlins", 1.0),)}, "no category of faults is named 'gremlins'"),
        ({"storm_nodes": 0}, "a storm needs at least 1 node"),
        ({"lemons": Lemons(share_of_nodes=0.0, share_of_faults=0.5)}, "shares of lemons"),
    ],
)
def test_a_hazard_that_cannot_be_is_refused(facts: dict[str, object], sentence: str) -> None:
    whole = {"per_node_day": 0.01, "shares": (("faulty_gpu", 1.0),), **facts}

    with pytest.raises(UsageError, match=sentence):
        Hazard(**whole)  # type: ignore[arg-type]  # deliberately of any type


def test_shares_of_a_run_add_up_with_the_jobs_own_failures() -> None:
    shares = load_preset("rsc1").run_shares(128)

    assert sum(shares.values()) == pytest.approx(1)
    assert shares[JOB_SIDE] == pytest.approx(1 - 128 * 6.5e-3 / (24 / 7.9))


@pytest.mark.parametrize("name", sorted(CATEGORIES))
def test_a_category_shows_in_some_way_and_only_nodes_can_be_rebooted(name: str) -> None:
    category = CATEGORIES[name]

    assert sum(one.weight for one in category.signatures) > 0
    assert 0 <= category.reboot_cures <= 1
    assert category.place == "node" or not category.reboot_cures


@given(st.integers(0, 2**32), st.lists(st.floats(0, 10), min_size=1).filter(any))
def test_pick_never_returns_what_has_no_weight(seed: int, weights: list[float]) -> None:
    index = pick(weights, stream(seed))

    assert weights[index] > 0


def test_draws_follow_the_weights() -> None:
    hazard = load_preset("llama3_405b")
    process = sound_nodes(hazard, 2_048)
    draws = stream()

    drawn = [process.draw(draws) for _ in range(4_000)]

    share = sum(one.category == "faulty_gpu" for one in drawn) / len(drawn)
    assert share == pytest.approx(148 / 419, abs=0.03)
    assert all(0 <= one.node < 2_048 for one in drawn)


def test_lemons_have_faults_of_nodes_only_and_only_where_there_are_lemons() -> None:
    hazard = load_preset("rsc1")
    process = lemon_nodes(hazard, [3, 7])
    draws = stream()

    drawn = [process.draw(draws) for _ in range(200)]

    assert {one.node for one in drawn} == {3, 7}
    assert {CATEGORIES[one.category].place for one in drawn} == {"node"}
    assert lemon_nodes(load_preset("rsc2"), []).per_day == 0


def test_a_jobs_own_failures_name_no_node() -> None:
    failures = JobFailures(one_node_per_day=0.01, exponent=1.0, largest_nodes=8)

    process = job_side(failures, 16)

    assert process.per_day == pytest.approx(0.08)
    assert process.draw(stream()).node == NO_NODE
    assert job_side(None, 16).per_day == 0


def test_without_storms_in_the_hazard_none_come() -> None:
    assert storms(load_preset("rsc1"), 100).per_day == 0
