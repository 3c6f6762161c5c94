"""Search: Optuna's tree-structured Parzen estimator, rebuilt from the question at each call.

The current value enters as a trial of gain 0. A trial that failed counts as a little worse than the
worst one, so that the sampler learns where training breaks.

Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011), as in Optuna.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from swarm.comms.messages.mind import PartProposed, ProposePart
from swarm.kernel.message import Message
from swarm.kernel.rng import Stream
from swarm.minds.mind import gains_over_current, noted_words, unknown_question
from swarm.pipeline.pretraining.space import (
    Choice,
    Dimension,
    Setting,
    random_point,
    space,
    to_point,
    to_value,
)
from swarm.pipeline.values import describe, identity, value_tag

STARTUP_TRIALS = 4
"""Fewer trials than these, and the sampler draws at random."""

SAMPLED, RANDOM = 32, 64
"""Draws by the sampler, and after them at random, until the mind concedes that nothing is left:
a sampler that is sure of itself repeats what was tried."""


class Search:
    """A mind that samples where the history suggests gains."""

    is_light: ClassVar[bool] = False

    def decide(self, question: Message) -> PartProposed:
        """Answers ``mind.propose_part``.

        Raises:
            InvariantError: For a question of another type.
            WireError: If the current value is not one of its part.
        """
        if not isinstance(question, ProposePart):
            raise unknown_question(self, question)
        part, current = question.part, question.current
        dimensions = space(part, current)
        results = gains_over_current(question)
        noted = noted_words(question.notes)
        taken = {identity(part, value) for value, _ in results}
        for point in _points(question, dimensions, results):
            value = to_value(part, point, current)
            if value is None or identity(part, value) in taken:
                continue
            if value_tag(part, value) not in noted:
                reason = f"seen {len(results) - 1}, sampled {describe(part, value, current)}"
                return PartProposed(part=part, value=value, reason=reason)
        return PartProposed(part=part, value="", reason="nothing new in many draws")


def _points(
    question: ProposePart, dimensions: tuple[Dimension, ...], results: list[tuple[str, float]]
) -> Iterator[dict[str, Setting]]:
    if not dimensions:
        return
    study, distributions = _study(question, dimensions, results)
    for _ in range(SAMPLED):
        yield study.ask(distributions).params
    stream = Stream(seed=question.seed, owner="mind", name="search")
    for _ in range(RANDOM):
        yield random_point(dimensions, stream)


def _study(
    question: ProposePart, dimensions: tuple[Dimension, ...], results: list[tuple[str, float]]
) -> tuple[Any, dict[str, object]]:  # Any: optuna comes without types
    """Returns a study that has seen the results, and the distributions to ask it for."""
    import optuna  # noqa: PLC0415 - takes a second, and only workers need it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        seed=question.seed % 2**32, n_startup_trials=STARTUP_TRIALS, multivariate=False
    )
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=sampler, direction="maximize"
    )
    distributions = {dimension.name: _distribution(dimension) for dimension in dimensions}
    for value, gain in results:
        point = to_point(question.part, value, dimensions)
        known = {name: distributions[name] for name in point}
        study.add_trial(optuna.trial.create_trial(params=point, distributions=known, value=gain))
    return study, distributions


def _distribution(dimension: Dimension) -> object:
    import optuna  # noqa: PLC0415 - see above

    if isinstance(dimension, Choice):
        return optuna.distributions.CategoricalDistribution(dimension.options)
    if dimension.step:
        return optuna.distributions.IntDistribution(
            int(dimension.low), int(dimension.high), step=dimension.step
        )
    return optuna.distributions.FloatDistribution(
        dimension.low, dimension.high, log=dimension.is_log
    )
