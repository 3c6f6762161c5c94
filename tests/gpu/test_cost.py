import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.gpu.cost import CostModel, lease_price
from swarm.gpu.devices import H100, LAPTOP
from swarm.units import Credits, Flops, GpuTicks, Ticks

SCALED = CostModel(device=H100, virtual_flops_per_flop=10**10, mfu_percent=40)
WORK = st.integers(0, 10**18).map(Flops)


def test_a_laptop_at_full_use_works_at_its_peak() -> None:
    model = CostModel(device=LAPTOP, virtual_flops_per_flop=1, mfu_percent=100)

    ticks = model.ticks(Flops(500 * 10**9), 1)

    assert ticks == 10


def test_scaled_work_takes_its_virtual_operations_over_the_reached_peak() -> None:
    ticks = SCALED.ticks(Flops(64 * 10**9), 8)

    # 6.4e20 virtual operations at 8 x 0.4 x 989e12 per second are 202,224.5 seconds.
    assert ticks == 202_225


def test_no_work_still_takes_a_tick() -> None:
    assert SCALED.ticks(Flops(0), 8) == 1


def test_a_single_operation_too_many_costs_a_whole_tick() -> None:
    model = CostModel(device=LAPTOP, virtual_flops_per_flop=1, mfu_percent=100)

    ticks = [model.ticks(Flops(flops), 2) for flops in (10**11, 10**11 + 1)]

    assert ticks == [1, 2]


@given(WORK, st.integers(1, 10**5))
def test_duration_is_the_smallest_in_which_the_gang_does_the_work(flops: Flops, gpus: int) -> None:
    ticks = SCALED.ticks(flops, gpus)

    needed = flops * SCALED.virtual_flops_per_flop * 100
    per_tick = gpus * H100.peak_flops_per_second * SCALED.mfu_percent
    assert ticks * per_tick >= needed
    assert ticks == 1 or (ticks - 1) * per_tick < needed


@given(WORK, st.integers(1, 10**5))
def test_a_larger_gang_is_never_slower(flops: Flops, gpus: int) -> None:
    assert SCALED.ticks(flops, gpus + 1) <= SCALED.ticks(flops, gpus)


@given(WORK)
def test_gpu_time_bought_for_some_work_is_enough_for_it(flops: Flops) -> None:
    bought = SCALED.gpu_ticks(flops)

    assert SCALED.flops(bought) >= flops
    assert bought == 1 or SCALED.flops(GpuTicks(bought - 1)) < flops


@pytest.mark.parametrize("mfu_percent", [0, -5, 101])
def test_utilisation_outside_its_range_is_refused(mfu_percent: int) -> None:
    with pytest.raises(UsageError, match=f"1 to 100, came {mfu_percent}"):
        CostModel(device=H100, virtual_flops_per_flop=1, mfu_percent=mfu_percent)


def test_a_scale_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1, came 0"):
        CostModel(device=H100, virtual_flops_per_flop=0, mfu_percent=40)


def test_price_is_gpus_times_ticks_times_rate() -> None:
    assert lease_price(8, Ticks(100), per_gpu_tick=Credits(3)) == 2_400
