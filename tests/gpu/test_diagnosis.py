import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.comms.messages.incident import NO_NODE, Symptom
from swarm.errors import UsageError
from swarm.gpu.diagnosis import HUMAN_ONLY, TABLE, Rule, diagnose, expect_table, read_table
from swarm.gpu.faults.categories import CATEGORIES
from swarm.kernel.message import ActorId

RUN = ActorId("training_run-0")


def shows(kind: str, *, node: int = NO_NODE, value: float = 0.0) -> Symptom:
    return msgspec.convert(
        {"type": "incident.symptom", "run": RUN, "kind": kind, "node": node, "value": value},
        Symptom,
    )


@pytest.mark.parametrize(
    ("symptom", "diagnosis", "action"),
    [
        (shows("xid", node=5, value=79), "gpu", "replace"),
        (shows("xid", node=5, value=48), "gpu_memory", "reboot"),
        (shows("xid", node=5, value=119), "gpu_system_processor", "reboot"),
        (shows("xid", node=5, value=31), "application", "retry"),
        (shows("link_down", node=5), "network", "replace"),
        (shows("heartbeat_lost", node=5), "host", "reboot"),
        (shows("hot", node=5), "cooling", "drain"),
        (shows("throughput_low", value=0.7), "slow_node", "sweep"),
        (shows("loss_not_finite"), "corruption", "roll_back"),
        (shows("traffic_stopped"), "hang", "retry"),
        (shows("exited"), "application", "retry"),
    ],
)
def test_the_built_in_table_knows_each_symptom(
    symptom: Symptom, diagnosis: str, action: str
) -> None:
    verdict = diagnose(TABLE, [symptom], attempts=0)

    assert (verdict.diagnosis, verdict.action) == (diagnosis, action)


def test_the_guess_grows_dearer_each_time_the_trouble_is_back() -> None:
    ends = [shows("exited"), shows("xid", node=5, value=31)]

    actions = [diagnose(TABLE, ends, attempts=n).action for n in range(4)]

    assert actions == ["retry", "replace", "replace", "human"]


def test_a_silent_hang_is_retried_then_the_gang_is_tested_then_a_human_comes() -> None:
    actions = [diagnose(TABLE, [shows("traffic_stopped")], attempts=n).action for n in range(4)]

    assert actions == ["retry", "sweep", "sweep", "human"]


def test_what_a_node_says_of_itself_goes_before_how_the_run_ended() -> None:
    verdict = diagnose(TABLE, [shows("exited"), shows("link_down", node=9)], attempts=0)

    assert (verdict.diagnosis, verdict.nodes) == ("network", (9,))


@given(st.permutations([shows("exited"), shows("heartbeat_lost", node=9), shows("hot", node=2)]))
def test_a_verdict_names_all_nodes_whatever_the_order(symptoms: list[Symptom]) -> None:
    verdict = diagnose(TABLE, symptoms, attempts=0)

    assert (verdict.diagnosis, verdict.nodes) == ("host", (2, 9))


def test_a_broken_gpu_can_look_like_the_application() -> None:
    """Causes that look alike are what makes devops wrong at times."""
    signs = {
        name: {signature.signs for signature in CATEGORIES[name].signatures}
        for name in ("faulty_gpu", "software")
    }

    assert signs["faulty_gpu"] & signs["software"]


def test_a_site_without_devops_calls_a_human_for_everything() -> None:
    for symptom in (shows("hot", node=1), shows("exited"), shows("xid", node=1, value=79)):
        assert diagnose(HUMAN_ONLY, [symptom], attempts=0).action == "human"


@pytest.mark.parametrize("table", [(), TABLE[:3]])
def test_a_table_that_leaves_something_open_is_refused(table: tuple[Rule, ...]) -> None:
    with pytest.raises(UsageError, match="last row of a decision table"):
        expect_table(table)


def test_a_table_is_read_from_json() -> None:
    text = (
        '[{"kind": "hot", "diagnosis": "summer", "action": "retry"},'
        ' {"diagnosis": "unknown", "action": "human"}]'
    )

    table = read_table(text)

    assert diagnose(table, [shows("hot", node=1)], attempts=0).diagnosis == "summer"


def test_the_built_in_table_survives_json() -> None:
    assert read_table(msgspec.json.encode(TABLE)) == TABLE


@pytest.mark.parametrize("text", ["[", '[{"diagnosis": "x", "action": "pray"}]', '[{"if": 1}]'])
def test_a_table_that_is_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="a decision table is a JSON list of rows"):
        read_table(text)
