import ctypes
import shutil
from pathlib import Path

import pytest

from swarm.pipeline.inference.engine import decoder, open_engine
from swarm.pipeline.inference.native import build
from swarm.pipeline.inference.native.build import find_compiler, library, open_library
from swarm.pipeline.inference.sampler import sample
from tests.pipeline.inference.models import SMALL, sharp_model, some_prompts

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


def test_without_a_compiler_there_is_a_reason_and_no_library(tmp_path: Path) -> None:
    found = open_library(None, tmp_path)

    assert found == "no C++ compiler is here; install one of g++, clang++, c++"


def test_a_compiler_that_fails_is_a_reason_and_leaves_nothing_behind(tmp_path: Path) -> None:
    refuses = shutil.which("false")
    assert refuses is not None

    found = open_library(refuses, tmp_path)

    assert isinstance(found, str)
    assert found.startswith(f"{refuses} ended with code 1")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    found = open_library(shutil.which("false"), tmp_path / "file")

    assert isinstance(found, str)
    assert found.startswith("cannot build or open")


@needs_compiler
@pytest.mark.slow
def test_what_was_built_is_found_again(tmp_path: Path) -> None:
    first = open_library(find_compiler(), tmp_path)
    (built,) = tmp_path.iterdir()
    at = built.stat().st_mtime_ns

    second = open_library(find_compiler(), tmp_path)

    assert isinstance(first, ctypes.CDLL)
    assert isinstance(second, ctypes.CDLL)
    assert [one.stat().st_mtime_ns for one in tmp_path.iterdir()] == [at]


@needs_compiler
@pytest.mark.torch
def test_an_answer_has_the_same_bits_alone_and_in_any_batch() -> None:
    if isinstance(why := library(), str):
        pytest.skip(why)
    model = sharp_model()
    # Undecided everywhere: any difference of the logits in a last bit would show.
    model.head_VW.data.mul_(1e-6)
    prompts = some_prompts(12)

    def decoded(rows: int) -> list[list[bytes]]:
        return [
            answer
            for start in range(0, 12, rows)
            for answer in sample(
                model,
                prompts[start : start + rows],
                per_prompt=3,
                max_new=24,
                temperature=0.0,
                seed=0,
                engine="compiled",
            )
        ]

    assert decoded(12) == decoded(1) == decoded(5)


def test_an_engine_whose_library_is_missing_says_why_and_nothing_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build.library.cache_clear()
    monkeypatch.setattr(build, "find_compiler", lambda: None)
    monkeypatch.setattr(build, "cache_dir", lambda: SMALL)

    try:
        why = open_engine(decoder("compiled")).unavailable()
    finally:
        build.library.cache_clear()

    assert why == "no C++ compiler is here; install one of g++, clang++, c++"
