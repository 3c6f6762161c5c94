"""The referee of decoders: is the candidate exact, and is it faster? Workers only.

Exactness is always checked by decoding. Speed comes from the table of ``speeds``, or is measured:
in CPU-seconds of this process, base and candidate in turns, so that a change of the machine's pace
meets both. The clock is read here and nowhere else in the stage.
"""

import time
from collections.abc import Callable, Sequence
from math import comb

import numpy as np

from swarm.errors import RunFailedError
from swarm.kernel.rng import Stream
from swarm.pipeline.inference import speeds
from swarm.pipeline.inference.choosing import uniforms
from swarm.pipeline.inference.engine import Engine, open_engine
from swarm.pipeline.inference.judge import Verdict, judge
from swarm.pipeline.inference.sampler import STOP, sample_with
from swarm.pipeline.inference.spec import DecoderSpec, Referee, Refereed, refusal
from swarm.pipeline.pretraining.model import Transformer

_TEMPERATURES = (0.0, 1.0)
_COVERAGE = 0.9


def decide(spec: Referee, model: Transformer) -> Refereed:
    """Checks and compares the two decoders of a job that has no problem.

    Raises:
        RunFailedError: If an engine cannot work on this machine.
    """
    prompts = draw_prompts(spec, model.shape.context)
    sides = [_Side(one, spec, model, prompts) for one in (spec.base, spec.candidate)]
    verdicts, n_mismatched = [], 0
    for temperature in _TEMPERATURES:
        from_base, from_candidate = (side.answers(temperature) for side in sides)
        n_mismatched += sum(a != b for a, b in zip(from_base, from_candidate, strict=True))
        verdicts.append(_judge_all(spec, model, prompts, from_candidate, temperature))
    n_bytes, n_near_ties, n_wrong = (sum(counts) for counts in zip(*verdicts, strict=True))
    base, candidate, ratio = _speeds(spec, model, sides)
    return Refereed(
        n_bytes=n_bytes,
        n_near_ties=n_near_ties,
        n_mismatched=n_mismatched,
        n_wrong=n_wrong,
        base_rate=round(base, 1),
        candidate_rate=round(candidate, 1),
        ratio=round(ratio.middle, 4),
        ratio_low=round(ratio.low, 4),
        ratio_high=round(ratio.high, 4),
        kernel_timing=spec.kernel_timing,
        refusal=refusal(
            n_bytes=n_bytes, n_near_ties=n_near_ties, n_wrong=n_wrong, ratio_low=ratio.low
        ),
    )


def draw_prompts(spec: Referee, context: int) -> list[bytes]:
    """Returns printable prompts of every length that fits, the shortest and the longest first."""
    stream = Stream(seed=spec.seed, owner="referee", name="prompts")
    longest = context - most_new(spec, context)
    lengths = [1, longest, *(1 + stream.integer(longest) for _ in range(spec.n_prompts))]
    return [
        bytes(32 + stream.integer(95) for _ in range(length))
        for length in lengths[: spec.n_prompts]
    ]


def most_new(spec: Referee, context: int) -> int:
    """Returns how many bytes an answer may have."""
    return min(spec.max_new, context // 2)


def compare(
    first: Callable[[], int], second: Callable[[], int], *, rounds: int
) -> tuple[float, float, speeds.Interval]:
    """Times two pieces of work in turns, after one round that does not count.

    Args:
        first: Does its work and returns how much it was.
        second: The same for the other.
        rounds: How often each is timed, at least 1.

    Returns:
        The median speed of each, and the interval of the ratio second over first.
    """
    ratios, rates = [], []
    for number in range(rounds + 1):
        # Whoever comes second finds the caches as the other left them: take turns in that too.
        works = (first, second) if number % 2 else (second, first)
        pair = [_rate(work) for work in works][:: 1 if number % 2 else -1]
        if number:
            rates.append(pair)
            ratios.append(pair[1] / pair[0])
    base, candidate = (float(np.median(one)) for one in zip(*rates, strict=True))
    return base, candidate, interval(ratios)


def interval(values: Sequence[float]) -> speeds.Interval:
    """Returns the median and the narrowest pair of order statistics that cover it with 90 %.

    With fewer than five values nothing covers so much, and the pair is the least and the greatest.

    Source: the sign test's interval for a median; it asks nothing of the distribution.
    """
    ordered, n = sorted(values), len(values)
    tail, cut = 0, 0
    for k in range(n // 2):
        tail += comb(n, k)
        if 1 - 2 * tail / 2**n < _COVERAGE:
            break
        cut = k
    middle = float(np.median(ordered))
    return speeds.Interval(middle=middle, low=ordered[cut], high=ordered[n - 1 - cut])


def _rate(work: Callable[[], int]) -> float:
    began = time.process_time()
    amount = work()
    return amount / max(time.process_time() - began, 1e-9)


class _Side:
    """A decoder at work on the job's prompts."""

    def __init__(
        self, decoder: DecoderSpec, spec: Referee, model: Transformer, prompts: Sequence[bytes]
    ) -> None:
        self._spec, self._decoder, self._prompts = spec, decoder, prompts
        self._context = model.shape.context
        self._engine: Engine = open_engine(decoder)
        if why := self._engine.unavailable():
            raise RunFailedError(what=f"engine {decoder.engine!r} is not available: {why}")
        self._engine.load(model)

    def answers(self, temperature: float) -> list[bytes]:
        """Decodes; returns the answers of all prompts, one after the other."""
        found = sample_with(
            self._engine,
            self._prompts,
            context=self._context,
            rows=self._decoder.batch,
            per_prompt=self._spec.per_prompt,
            max_new=most_new(self._spec, self._context),
            temperature=temperature,
            seed=self._spec.seed,
        )
        return [answer for group in found for answer in group]

    def work(self) -> int:
        """Decodes once at temperature 1; returns the number of bytes, those that end included."""
        return sum(len(answer) + 1 for answer in self.answers(_TEMPERATURES[-1]))


def _judge_all(
    spec: Referee,
    model: Transformer,
    prompts: Sequence[bytes],
    answers: Sequence[bytes],
    temperature: float,
) -> Verdict:
    n_bytes = most_new(spec, model.shape.context)
    numbers_PSN = uniforms(spec.seed, np.arange(len(prompts)), np.arange(spec.per_prompt), n_bytes)
    return judge(
        model,
        [prompt for prompt in prompts for _ in range(spec.per_prompt)],
        answers,
        numbers_PSN.reshape(-1, n_bytes),
        temperature=temperature,
        stop=STOP,
    )


def _speeds(
    spec: Referee, model: Transformer, sides: Sequence[_Side]
) -> tuple[float, float, speeds.Interval]:
    if spec.kernel_timing == "measured":
        base, candidate = sides
        return compare(base.work, candidate.work, rounds=spec.rounds)
    n_params = model.shape.n_params()
    from_table = [speeds.rate(one, n_params) for one in (spec.base, spec.candidate)]
    return from_table[0].middle, from_table[1].middle, speeds.ratio(*from_table)
