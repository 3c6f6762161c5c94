import msgspec
import pytest

from swarm.errors import UsageError
from swarm.gpu.devices import (
    DEVICE_TYPES,
    H100,
    Cluster,
    DeviceType,
    Node,
    device_type,
    uniform_cluster,
)


def test_uniform_cluster_names_its_nodes_so_that_names_sort_like_ids() -> None:
    cluster = uniform_cluster(H100, nodes=11, gpus_per_node=8)

    names = [node.name for node in cluster.nodes]
    assert (names[0], names[10]) == ("node-00", "node-10")
    assert names == sorted(names)
    assert (cluster.gpus, cluster.sizes) == (88, (8,) * 11)


def test_cluster_survives_json() -> None:
    cluster = uniform_cluster(H100, nodes=2, gpus_per_node=8)

    stored = msgspec.json.encode(cluster)

    assert msgspec.json.decode(stored, type=Cluster) == cluster


@pytest.mark.parametrize(("nodes", "gpus_per_node"), [(0, 8), (-1, 8), (2, 0), (2, -8)])
def test_cluster_without_gpus_is_refused(nodes: int, gpus_per_node: int) -> None:
    with pytest.raises(UsageError, match="at least one node"):
        uniform_cluster(H100, nodes=nodes, gpus_per_node=gpus_per_node)


def test_two_nodes_of_one_name_are_refused() -> None:
    twin = Node(name="a", gpus=8)

    with pytest.raises(UsageError, match="same name"):
        Cluster(device=H100, nodes=(twin, twin))


def test_device_without_speed_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'brick'"):
        DeviceType(name="brick", peak_flops_per_second=0, mem_gb=1)


def test_known_devices_are_found_by_name() -> None:
    found = [device_type(known.name) for known in DEVICE_TYPES]

    assert found == list(DEVICE_TYPES)


def test_unknown_device_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"no device type 'H900'.*A100, H100, H200, laptop"):
        device_type("H900")
