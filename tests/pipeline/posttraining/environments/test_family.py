import pytest

from swarm.errors import UsageError
from swarm.pipeline.posttraining.environments.family import families, family


def test_families_are_the_files_of_the_folder_sorted() -> None:
    names = families()

    assert list(names) == sorted(names)
    assert "__init__" not in names


def test_an_unknown_family_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match=r"there is no environment family 'chess'.*caesar, "):
        family("chess")
