"""Fixtures of tests that read runs."""

from pathlib import Path

import pytest

import swarm
from swarm.analysis.run import Run
from swarm.runtime.launch import Options
from swarm.scenarios import full_lab, gossip
from tests.story import Story

SEEDS = (1, 2)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "run")


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of research labs with surrogate jobs, one for each seed, named by it."""
    folder = tmp_path_factory.mktemp("labs")
    for seed in SEEDS:
        lab = full_lab.lab(seed=seed, fidelity="surrogate")
        assert lab.run(Options(out=folder / str(seed), is_live=False)).status == "ok"
    return folder


@pytest.fixture(scope="session")
def lab_run(labs: Path) -> Run:
    return swarm.load_run(labs / str(SEEDS[0]))


@pytest.fixture(scope="session")
def carried_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A lab without service edges: most messages are carried from neighbour to neighbour."""
    out = tmp_path_factory.mktemp("carried") / "run"
    lab = full_lab.lab(seed=SEEDS[0], fidelity="surrogate", service_edges="off")
    lab.run(Options(out=out, is_live=False))
    return swarm.load_run(out)


@pytest.fixture(scope="session")
def gossip_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without ship, credits, contracts or leases."""
    out = tmp_path_factory.mktemp("gossip") / "run"
    gossip.lab(rounds=3, **{"roles.gossiper": 20}).run(Options(out=out, is_live=False))
    return swarm.load_run(out)
