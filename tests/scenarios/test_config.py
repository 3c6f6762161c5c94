import pytest
from pydantic import ValidationError

from swarm.errors import UsageError
from swarm.scenarios.config import (
    configure,
    parse_counts,
    parse_duration,
    parse_settings,
)
from swarm.scenarios.entry import scale_counts
from swarm.scenarios.full_lab import COUNTS, FullLab
from swarm.scenarios.gossip import Gossip
from swarm.scenarios.two_researchers import TwoResearchers


def test_dotted_keys_reach_into_sections_and_keep_the_rest() -> None:
    config = configure(FullLab, {"pool.nodes": "2", "graph.params.degree": 6, "seed": "3"})

    assert (config.pool.nodes, config.pool.gpus_per_node, config.seed) == (2, 8, 3)
    assert config.graph.params == {"degree": 6, "rewired": 0.3}


@pytest.mark.parametrize(
    ("settings", "topology", "params"),
    [
        ({}, "small_world", {"degree": 12, "rewired": 0.3}),
        ({"graph.params.degree": "8"}, "small_world", {"degree": 8, "rewired": 0.3}),
        ({"graph.params": '{"rewired": 0.5}'}, "small_world", {"rewired": 0.5}),
        ({"graph.params": "{}"}, "small_world", {}),
        ({"graph.topology": "star"}, "star", {}),
        ({"graph": '{"topology": "star"}'}, "star", {}),
        (
            {"graph.params.degree": "6", "graph.topology": "random_regular"},
            "random_regular",
            {"degree": 6},
        ),
        (
            {"graph.topology": "edge_list", "graph.params.path": "who.txt"},
            "edge_list",
            {"path": "who.txt"},
        ),
    ],
)
def test_a_topology_brings_its_own_parameters_and_settings_change_them(
    settings: dict[str, str], topology: str, params: dict[str, object]
) -> None:
    graph = configure(FullLab, settings).graph

    assert (graph.topology, graph.params, graph.latency) == (topology, params, 60)


def test_a_small_world_is_the_same_in_every_lab() -> None:
    config = configure(TwoResearchers, {"graph.topology": "small_world"})

    assert config.graph == configure(FullLab, {}).graph


@pytest.mark.parametrize("text", ["search", '["search"]'])
def test_the_minds_of_a_role_are_a_name_or_a_list_and_others_keep_theirs(text: str) -> None:
    minds = configure(FullLab, {"minds.data_researcher": text}).minds

    assert minds == {**configure(FullLab, {}).minds, "data_researcher": ("search",)}


def test_an_object_replaces_a_plain_field_and_a_dotted_key_changes_one_entry() -> None:
    whole = configure(FullLab, {"roles": '{"director": 1}'}).roles
    single = configure(FullLab, {"roles.reviewer": "3"}).roles

    assert whole == {"director": 1}
    assert single == {**COUNTS, "reviewer": 3}


def test_a_field_of_text_gets_its_text_though_it_looks_like_a_number() -> None:
    config = configure(FullLab, {"pool.device": "5", "graph.topology": "1e3", "corpus": "7"})

    assert (config.pool.device, config.graph.topology, str(config.corpus)) == ("5", "1e3", "7")


def test_words_for_truth_are_for_fields_that_are_true_or_false() -> None:
    assert configure(Gossip, {"log": "false"}).log is False
    with pytest.raises(UsageError, match=r"key 'pool\.nodes'.* came 'true'"):
        configure(FullLab, {"pool.nodes": "true"})


def test_a_config_is_frozen_and_every_field_is_documented() -> None:
    config = configure(FullLab, {})

    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1
    sections = [config, config.graph, config.pool, config.work, config.money]
    for section in sections:
        for name, field in type(section).model_fields.items():
            assert field.description, f"{type(section).__name__}.{name} has no docstring"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("pool.nods", "2", "unknown key 'pool.nods'; did you mean 'pool.nodes'"),
        ("pool.nodes", "two", "key 'pool.nodes': input should be a valid integer.* came 'two'"),
        ("pool.nodes", "0", "key 'pool.nodes': input should be greater than or equal to 1"),
        ("pool", "3", "key 'pool'"),
        ("roles.reviewer", "-1", "key 'roles.reviewer'"),
        ("money.budget", "inf", "key 'money.budget': input should be a finite number"),
        ("money.budget", "1e999", "key 'money.budget': input should be a finite number"),
        ("money.reward", "NaN", "input should be a finite number"),
        ("graph.params.rewired", "Infinity", "key 'graph.params.rewired"),
        ("graph.topology.x", "1", "--set graph.topology.x: 'topology' is a single value"),
        ("service_edges", "maybe", "key 'service_edges': input should be 'on' or 'off'"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        configure(FullLab, {key: value})

    assert "\n" not in str(caught.value)


def test_a_setting_needs_an_equals_sign() -> None:
    assert parse_settings(["a.b=c=d"]) == {"a.b": "c=d"}
    with pytest.raises(UsageError, match="expected key=value"):
        parse_settings(["a.b"])


def test_counts_name_known_roles_and_whole_numbers() -> None:
    assert parse_counts(["reviewer=3"], COUNTS) == {"reviewer": 3}
    for wrong in ("reviewer", "reviewer=-1", "reviewer=x", "poet=1"):
        with pytest.raises(UsageError, match="--role"):
            parse_counts([wrong], COUNTS)


@pytest.mark.parametrize(
    ("text", "ticks"), [("30d", 2_592_000), ("12h", 43_200), ("90m", 5_400), ("45", 45)]
)
def test_durations_have_units(text: str, ticks: int) -> None:
    assert parse_duration(text) == ticks


@pytest.mark.parametrize("text", ["", "d", "-1d", "0s", "5w", "1.5h"])
def test_a_strange_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a duration such as 30d"):
        parse_duration(text)


def test_actors_are_shared_out_in_proportion_and_sum_up() -> None:
    for total in (15, 40, 200, 1234):
        counts = scale_counts(total, COUNTS)

        assert sum(counts.values()) == total
        assert all(count >= 1 for count in counts.values())
    assert scale_counts(200, COUNTS) != scale_counts(100, COUNTS)
    assert scale_counts(50, COUNTS, fixed={"reviewer": 20})["reviewer"] == 20


def test_fewer_actors_than_roles_are_refused() -> None:
    with pytest.raises(UsageError, match="needs at least 15 actors"):
        scale_counts(14, COUNTS)
