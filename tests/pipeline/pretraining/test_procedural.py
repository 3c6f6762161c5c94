import math
from collections import Counter

import pytest

from swarm.pipeline.pretraining.procedural import SOURCES, Source

N = 200_000


def conditional_entropy(text: bytes, order: int) -> float:
    """Plug-in estimate of the bits of a byte given the bytes before it."""
    longer = Counter(text[i : i + order + 1] for i in range(len(text) - order))
    shorter: Counter[bytes] = Counter()
    for piece, n in longer.items():
        shorter[piece[:-1]] += n
    total = sum(longer.values())
    return -sum(n / total * math.log2(n / shorter[p[:-1]]) for p, n in longer.items())


def by_name(name: str) -> Source:
    return next(source for source in SOURCES if source.name == name)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_text_is_a_function_of_seed_and_split(source: Source) -> None:
    text = source.write(1_000, 3, "train")

    assert len(text) == 1_000
    assert text == source.write(1_000, 3, "train")
    assert text != source.write(1_000, 4, "train")
    assert text != source.write(1_000, 3, "sealed")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "order"), [("markov", 2), ("noise", 0)])
def test_measured_entropy_is_the_stated_one(name: str, order: int) -> None:
    source = by_name(name)

    measured = conditional_entropy(source.write(N, 0, "train"), order)

    assert measured == pytest.approx(source.entropy_bpb, abs=0.005)


def test_bits_of_brackets_depend_on_the_depth_alone_and_average_to_the_entropy() -> None:
    source = by_name("brackets")
    text = source.write(N, 0, "train").decode()

    depth, bits, depths = 0, 0.0, Counter[int]()
    for symbol in text:
        depths[depth] += 1
        is_open = symbol in "([{<"
        choice = 0.0 if depth in (0, 8) else 1.0
        bits += choice + (2.0 if is_open else 0.0)
        depth += 1 if is_open else -1
        assert 0 <= depth <= 8

    assert bits / N == pytest.approx(source.entropy_bpb, abs=0.005)
    assert depths[0] / N == pytest.approx(1 / 16, abs=0.005)


def test_brackets_close_in_the_order_they_were_opened() -> None:
    text = by_name("brackets").write(5_000, 0, "train").decode()

    stack: list[str] = []
    for symbol in text:
        if symbol in "([{<":
            stack.append(symbol)
        else:
            assert "([{<".index(stack.pop()) == ")]}>".index(symbol)


def test_every_sum_is_right_and_its_numbers_are_even_draws_of_six_bits() -> None:
    source = by_name("arithmetic")
    lines = source.write(N, 0, "train").decode().splitlines()

    for line in lines:
        left, _, result = line.partition("=")
        a, b = (int(part) for part in left.split("+"))
        assert int(result) == a + b
        assert max(a, b) < 64
        assert len(line) + 1 == 10

    firsts = Counter(line[:2] for line in lines)
    assert len(firsts) == 64
    assert max(firsts.values()) < 1.3 * len(lines) / 64
    assert source.entropy_bpb == 2 * math.log2(64) / 10
