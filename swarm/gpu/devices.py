"""Devices: what a cluster is made of, virtual or real.

A device type is a name and two published figures. The pool only counts GPUs; the cost model
turns the figures into virtual time.
"""

import msgspec

from swarm.errors import UsageError


class DeviceType(msgspec.Struct, frozen=True, kw_only=True):
    """One model of accelerator.

    Raises:
        UsageError: If the peak or the memory is not above zero.
    """

    name: str
    peak_flops_per_second: int
    """Nominal peak, dense bf16 matrix products, without structured sparsity."""
    mem_gb: int
    """Memory as the maker states it, in units of 10^9 bytes."""

    def __post_init__(self) -> None:
        if self.peak_flops_per_second < 1 or self.mem_gb < 1:
            raise UsageError(
                what=f"device type {self.name!r} needs a peak and a memory above 0,"
                f" came {self.peak_flops_per_second} FLOP/s and {self.mem_gb} GB"
            )


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One machine: a name, and GPUs numbered from 0."""

    name: str
    gpus: int


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes with GPUs of one device type. A node's place in ``nodes`` is its id and breaks ties.

    Raises:
        UsageError: If there is no node, a node has no GPU, or two nodes share a name.
    """

    device: DeviceType
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes or min(node.gpus for node in self.nodes) < 1:
            raise UsageError(what="a cluster needs at least one node, and each at least one GPU")
        if len({node.name for node in self.nodes}) < len(self.nodes):
            raise UsageError(what="two nodes of the cluster have the same name; rename one")

    @property
    def gpus(self) -> int:
        """GPUs of all nodes together."""
        return sum(node.gpus for node in self.nodes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """GPUs of each node, in node order."""
        return tuple(node.gpus for node in self.nodes)


def uniform_cluster(device: DeviceType, *, nodes: int, gpus_per_node: int) -> Cluster:
    """Returns equal nodes named ``node-0``, ``node-1`` ..., padded so that names sort as ids do.

    Raises:
        UsageError: If either count is below 1.
    """
    digits = len(str(nodes - 1))
    names = (f"node-{index:0{digits}d}" for index in range(nodes))
    return Cluster(
        device=device, nodes=tuple(Node(name=name, gpus=gpus_per_node) for name in names)
    )


A100 = DeviceType(name="A100", peak_flops_per_second=312 * 10**12, mem_gb=80)
"""A100 80 GB SXM. Source: NVIDIA A100 data sheet, 312 TFLOPS bf16."""

H100 = DeviceType(name="H100", peak_flops_per_second=989 * 10**12, mem_gb=80)
"""H100 SXM. Source: NVIDIA H100 data sheet, 1,979 TFLOPS bf16 with sparsity, half without."""

H200 = DeviceType(name="H200", peak_flops_per_second=989 * 10**12, mem_gb=141)
"""H200 SXM: the compute of an H100 with more memory. Source: NVIDIA H200 data sheet."""

LAPTOP = DeviceType(name="laptop", peak_flops_per_second=50 * 10**9, mem_gb=2)
"""Virtual: one CPU thread that trains a tiny model. Source: own measurement, 43 to 76 GFLOP/s."""

DEVICE_TYPES = (A100, H100, H200, LAPTOP)


def device_type(name: str) -> DeviceType:
    """Returns the named device type.

    Raises:
        UsageError: If there is none of that name; the sentence lists those there are.
    """
    for known in DEVICE_TYPES:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in DEVICE_TYPES)
    raise UsageError(what=f"there is no device type {name!r}; choose one of {names}")
