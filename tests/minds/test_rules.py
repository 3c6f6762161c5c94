import pytest
from msgspec.structs import replace

from swarm.comms.messages.finding import Trial
from swarm.comms.messages.mind import ProposePart
from swarm.comms.messages.work import Start
from swarm.errors import InvariantError
from swarm.kernel.message import ActorId
from swarm.minds.rules import Rules
from swarm.pipeline.menu import changes
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
    Architecture,
    Optimizer,
)
from swarm.pipeline.values import describe, read_as, value_tag

SHAPE = canonical_json(GENERATION_0_ARCHITECTURE)
RULE = canonical_json(GENERATION_0_OPTIMIZER)


def shape(**settings: object) -> str:
    return canonical_json(replace(GENERATION_0_ARCHITECTURE, **settings))


def trial(part: str, value: str, gain: float, failed: str = "") -> Trial:
    return Trial(
        author=ActorId("a-0"), part=part, value=value, base="m", gain_bpb=gain, failed=failed
    )


def ask(
    part: str, current: str, *history: Trial, notes: tuple[str, ...] = (), seed: int = 0
) -> ProposePart:
    return ProposePart(part=part, current=current, history=history, notes=notes, seed=seed)


def first_choices(question: ProposePart, n: int = 200) -> list[str]:
    decide = Rules().decide
    return [decide(replace(question, seed=seed)).value for seed in range(n)]


def tried_but(part: str, current: str, *left: str, gain: float = -0.1) -> list[Trial]:
    """Trials of the whole menu but the changes of these names."""
    return [trial(part, c.value, gain) for c in changes(part, current) if c.name not in left]


def test_a_change_that_usually_matters_is_tried_sooner() -> None:
    chosen = first_choices(ask("architecture", SHAPE))

    assert chosen.count(shape(positions="rope")) > 2 * chosen.count(shape(norm="rmsnorm")) > 0


def test_what_was_tried_is_not_tried_again() -> None:
    history = tried_but("optimizer", RULE, "wsd")

    answer = Rules().decide(ask("optimizer", RULE, *history))

    assert answer.value == canonical_json(replace(GENERATION_0_OPTIMIZER, schedule="wsd"))
    assert answer.reason == "wsd"


def test_a_dead_end_that_a_note_calls_by_its_tag_is_not_tried_again() -> None:
    history = tried_but("optimizer", RULE, "wsd", "linear")
    wsd = canonical_json(replace(GENERATION_0_OPTIMIZER, schedule="wsd"))
    note = f"dead end: optimizer {value_tag('optimizer', wsd)} (schedule=wsd): -0.1 bpb on m"

    chosen = first_choices(ask("optimizer", RULE, *history, notes=(note,)), 20)

    assert wsd not in chosen


def test_an_exhausted_menu_gives_an_empty_answer() -> None:
    history = tried_but("architecture", SHAPE)

    answer = Rules().decide(ask("architecture", SHAPE, *history))

    assert (answer.value, answer.reason) == ("", "the menu is exhausted")


def test_when_all_changes_were_tried_the_best_two_are_combined() -> None:
    history = [
        *tried_but("architecture", SHAPE, "rotary positions", "rmsnorm", "swiglu"),
        trial("architecture", shape(positions="rope"), 0.2),
        trial("architecture", shape(activation="swiglu"), 0.1),
        trial("architecture", shape(norm="rmsnorm"), 0.01),
    ]

    answer = Rules().decide(ask("architecture", SHAPE, *history))

    assert answer.value == shape(positions="rope", activation="swiglu")
    assert answer.reason == "rotary positions and swiglu"


def test_every_third_proposal_combines_while_there_are_untried_changes() -> None:
    history = [
        trial("architecture", shape(positions="rope"), 0.2),
        trial("architecture", shape(activation="swiglu"), 0.1),
    ]

    chosen = first_choices(ask("architecture", SHAPE, *history))

    both = shape(positions="rope", activation="swiglu")
    assert 50 < chosen.count(both) < 85


def test_a_change_that_gained_on_another_value_is_tried_sooner_here() -> None:
    now = shape(positions="rope")
    gained = trial("architecture", shape(norm="rmsnorm"), 0.2)
    lost = trial("architecture", shape(norm="rmsnorm"), -0.2)
    here = shape(positions="rope", norm="rmsnorm")

    more = first_choices(ask("architecture", now, gained)).count(here)
    fewer = first_choices(ask("architecture", now, lost)).count(here)

    assert more > 4 * fewer


def test_a_failed_trial_counts_as_a_loss() -> None:
    history = [
        *tried_but("architecture", SHAPE, "rotary positions", "swiglu"),
        trial("architecture", shape(positions="rope"), 0.2),
        trial("architecture", shape(activation="swiglu"), 0.0, failed="diverged"),
    ]

    answer = Rules().decide(ask("architecture", SHAPE, *history))

    assert answer.value == ""


def test_advice_to_lower_the_rate_is_followed() -> None:
    question = ask("optimizer", RULE)
    advised = replace(question, notes=("advice on x/1: lower_rate (diverged: NaN)",))

    def raised(values: list[str]) -> int:
        return sum(read_as(Optimizer, value).lr > GENERATION_0_OPTIMIZER.lr for value in values)

    assert raised(first_choices(advised)) < 0.7 * raised(first_choices(question))


def test_advice_to_shrink_is_followed() -> None:
    question = ask("architecture", SHAPE)
    advised = replace(question, notes=("advice on x/1: shrink (too_large: big)",))
    now = GENERATION_0_ARCHITECTURE.flops_per_token()

    def grown(values: list[str]) -> int:
        return sum(read_as(Architecture, value).flops_per_token() > now for value in values)

    assert grown(first_choices(advised)) < 0.6 * grown(first_choices(question))


def test_a_mixture_is_shifted_towards_every_domain_by_somebody() -> None:
    menu = changes("mixture", canonical_json(GENERATION_0_MIXTURE))

    chosen = set(first_choices(ask("mixture", canonical_json(GENERATION_0_MIXTURE)), 300))

    assert chosen == {change.value for change in menu}


def test_trials_of_neighbours_that_cannot_be_read_are_passed_over() -> None:
    history = (trial("architecture", "nonsense", 9.0), trial("mixture", "{}", 9.0))

    assert Rules().decide(ask("architecture", SHAPE, *history)).value


def test_another_question_is_refused() -> None:
    with pytest.raises(InvariantError, match=r"mind of type Rules: expected .* came Start"):
        Rules().decide(Start())


def test_a_domain_that_hurt_is_given_more_less_often() -> None:
    even = canonical_json(GENERATION_0_MIXTURE)
    menu = {change.name: change.value for change in changes("mixture", even)}
    history = (
        trial("mixture", menu["more markov"], -0.1),
        trial("mixture", menu["more code"], 0.1),
    )

    chosen = first_choices(ask("mixture", even, *history))

    assert chosen.count(menu["much more code"]) > 5 * chosen.count(menu["much more markov"])


def noted(part: str, value: str, what: str, gain: str) -> str:
    verdict = "dead end" if gain.startswith("-") else "trial"
    return f"{verdict}: {part} {value_tag(part, value)} ({what}): {gain} bpb on 0a1b2c3d"


def test_gains_that_only_notes_remember_are_combined() -> None:
    notes = (
        noted("architecture", shape(positions="rope"), "positions=rope", "+0.2000"),
        noted("architecture", shape(activation="swiglu"), "activation=swiglu", "+0.1500"),
        noted("architecture", shape(norm="rmsnorm"), "norm=rmsnorm", "+0.0100"),
    )

    chosen = first_choices(ask("architecture", SHAPE, notes=notes))

    assert 50 < chosen.count(shape(positions="rope", activation="swiglu")) < 85
    assert shape(positions="rope", norm="rmsnorm") not in chosen


def test_a_setting_that_gained_elsewhere_as_notes_tell_is_tried_first() -> None:
    now = shape(norm="rmsnorm")
    notes = (
        noted("architecture", shape(positions="rope"), "positions=rope", "+0.2000"),
        noted("architecture", shape(qk_norm=True), "qk_norm=True", "-0.1000"),
    )

    chosen = first_choices(ask("architecture", now, notes=notes), 20)

    assert set(chosen) == {shape(norm="rmsnorm", positions="rope")}


def test_a_shift_that_gained_elsewhere_as_notes_tell_is_tried_first() -> None:
    even = canonical_json(GENERATION_0_MIXTURE)
    (more,) = (one.value for one in changes("mixture", even) if one.name == "more code")
    note = noted("mixture", even, describe("mixture", more, even), "+0.2000")

    chosen = {Rules().decide(ask("mixture", more, notes=(note,), seed=n)).reason for n in range(20)}

    assert chosen == {"much more code"}


def test_notes_in_which_nothing_gained_only_close_what_they_name() -> None:
    dead = shape(qk_norm=True)
    note = noted("architecture", dead, "qk_norm=True", "-0.1000")

    chosen = first_choices(ask("architecture", SHAPE, notes=(note,)))

    assert dead not in chosen
    assert len(set(chosen)) > 5


def test_what_a_person_wrote_between_the_results_does_no_harm() -> None:
    even = canonical_json(GENERATION_0_MIXTURE)
    notes = (
        f"trial: mixture {value_tag('mixture', even)} (code=lots, and noise=none): +0.2 bpb on x",
        "trial: mixture 00000000 (): +9.0 bpb",
        "I think mixture 12345678 is great (a=b->c): really",
    )

    assert Rules().decide(ask("mixture", even, notes=notes)).value
