import pytest

from swarm.pipeline.posttraining.data import Example
from swarm.pipeline.posttraining.sft import Pool, rows_by_source
from swarm.pipeline.pretraining.run import seeded

pytestmark = pytest.mark.torch

A, B = [Example(b"a", b"%d" % i) for i in range(4)], [Example(b"b", b"x")]


def test_groups_are_drawn_by_their_weight_whatever_their_size() -> None:
    pool = Pool([A, B, []], [1.0, 3.0, 5.0], seeded(0, "rows"))

    drawn = pool.draw(4_000)

    assert sum(one.prompt == b"b" for one in drawn) == pytest.approx(3_000, abs=150)


def test_an_empty_pool_gives_nothing() -> None:
    assert Pool([[]], [1.0], seeded(0, "rows")).draw(5) == []


def test_rows_are_divided_by_share_among_the_sources_that_hold_something() -> None:
    full, empty = Pool([A], [1.0], seeded(0, "rows")), Pool([[]], [1.0], seeded(0, "rows"))

    assert rows_by_source([full, full, full], [0.5, 0.25, 0.25], 16) == [8, 4, 4]
    assert rows_by_source([full, empty, full], [0.5, 0.5, 0.0], 16) == [16, 0, 0]
    assert rows_by_source([full, empty, full], [0.0, 1.0, 0.0], 16) == [0, 0, 0]
