"""The cost model: how long nominal work takes in virtual time, and what GPU time costs.

All arithmetic is on integers and rounds up, so every machine computes the same duration.
"""

import msgspec

from swarm.errors import UsageError
from swarm.gpu.devices import DeviceType
from swarm.units import Credits, Flops, GpuTicks, Ticks


class CostModel(msgspec.Struct, frozen=True, kw_only=True):
    """A scale model: small real work stands for large virtual work on real hardware.

    Raises:
        UsageError: If the scale is below 1 or the utilisation outside 1 to 100.
    """

    device: DeviceType
    virtual_flops_per_flop: int
    """Virtual floating-point operations that one nominal real one stands for, at least 1."""
    mfu_percent: int
    """Share of the device's peak that the work reaches, 1 to 100.

    Source of a usual value: 38 to 43 on up to 16,384 H100, "The Llama 3 Herd of Models"
    (arXiv:2407.21783), table 4.
    """

    def __post_init__(self) -> None:
        if self.virtual_flops_per_flop < 1:
            raise UsageError(
                what="virtual_flops_per_flop must be a whole number of at least 1,"
                f" came {self.virtual_flops_per_flop}"
            )
        if not 1 <= self.mfu_percent <= 100:
            raise UsageError(what=f"mfu_percent must be 1 to 100, came {self.mfu_percent}")

    def ticks(self, flops: Flops, gpus: int) -> Ticks:
        """Returns how long the work takes on a gang, at least one tick.

        Args:
            flops: Nominal operations of the real work, at least 0.
            gpus: Size of the gang, at least 1. Speed is proportional to it: utilisation is a
                constant of the model, not a function of the gang.
        """
        return Ticks(max(1, _divide_up(self._work(flops), gpus * self._pace())))

    def gpu_ticks(self, flops: Flops) -> GpuTicks:
        """Returns the same work as GPU time, at least one GPU-tick: what a budget is told in."""
        return GpuTicks(max(1, _divide_up(self._work(flops), self._pace())))

    def flops(self, gpu_ticks: GpuTicks) -> Flops:
        """Returns the nominal real work that fits into some GPU time, rounded down."""
        return Flops(gpu_ticks * self._pace() // (100 * self.virtual_flops_per_flop))

    def _work(self, flops: Flops) -> int:
        return flops * self.virtual_flops_per_flop * 100

    def _pace(self) -> int:
        return self.device.peak_flops_per_second * self.mfu_percent


def lease_price(gpus: int, duration: Ticks, *, per_gpu_tick: Credits) -> Credits:
    """Returns the price of a lease in micro-credits at a flat rate."""
    return Credits(gpus * duration * per_gpu_tick)


def _divide_up(number: int, by: int) -> int:
    return -(-number // by)
