from collections.abc import Iterator
from typing import Literal, cast

import pytest

from swarm.runtime.ray_start import RaySession

RuntimeName = Literal["inline", "ray"]


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RaySession]:
    """One Ray for all tests: a run uses the Ray that its process already has."""
    session = RaySession(folder=tmp_path_factory.mktemp("ray"), address=None, n_cpus=2)
    yield session
    session.stop()


@pytest.fixture(params=["inline", pytest.param("ray", marks=pytest.mark.ray)])
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    """Every test that takes this runs on each runtime."""
    if request.param == "ray":
        request.getfixturevalue("local_ray")
    return cast("RuntimeName", request.param)
