from pathlib import Path

import pytest

from swarm.errors import RunFailedError, UsageError
from swarm.pipeline.pretraining.corpus import (
    SPLITS,
    CorpusInfo,
    SplitText,
    build_corpus,
    read_info,
)
from swarm.pipeline.pretraining.python_text import paragraphs
from swarm.pipeline.pretraining.spec import DOMAINS

pytestmark = pytest.mark.slow


def write_texts(folder: Path, *, n_files: int = 60, lines: int = 80) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n_files):
        text = "\n\n".join(f"{folder.name} file {i} says line {j}" for j in range(lines))
        (folder / f"{i}.md").write_text(text)


def read(root: Path, info: CorpusInfo, split: str, domain: str) -> str:
    chosen = next(one for one in SPLITS if one == split)
    return SplitText(root=root, info=info, split=chosen).read(domain).decode()


def test_the_default_corpus_has_every_domain_in_every_split_at_about_90_5_5(
    corpus: CorpusInfo,
) -> None:
    assert corpus.domain_names == DOMAINS
    assert sum(weight for _, weight in corpus.weights) == pytest.approx(1.0)
    for domain in corpus.domains:
        total = sum(domain.n_bytes.values())
        assert 0.02 < domain.n_bytes["sealed"] / total < 0.15
        assert 0.02 < domain.n_bytes["audit"] / total < 0.15


def test_known_entropy_is_stated_for_generated_domains_only(corpus: CorpusInfo) -> None:
    stated = {domain.name: domain.entropy_bpb for domain in corpus.domains}

    assert stated == {
        "code": None,
        "docstrings": None,
        "comments": None,
        "markov": 1.75,
        "brackets": 1.875,
        "arithmetic": 1.2,
        "noise": 6.0,
    }


@pytest.mark.parametrize("domain", ["code", "docstrings", "comments"])
def test_no_paragraph_of_a_held_out_split_stands_in_another(
    corpus_dir: Path, corpus: CorpusInfo, domain: str
) -> None:
    units = {split: paragraphs(read(corpus_dir, corpus, split, domain)) for split in SPLITS}

    train, sealed, audit = (set(units[split]) for split in SPLITS)

    if domain == "docstrings":  # a docstring of several paragraphs is one unit
        assert len(sealed & train) < 0.05 * len(sealed)
    else:
        assert [sealed & train, audit & train, sealed & audit] == [set(), set(), set()]


def test_the_same_source_and_seed_give_the_same_corpus_anywhere(
    corpus: CorpusInfo, tmp_path: Path
) -> None:
    again = build_corpus(None, tmp_path, 0, cap_bytes=1_500_000)

    assert again.hash == corpus.hash


def test_another_seed_holds_out_other_files(corpus: CorpusInfo, tmp_path: Path) -> None:
    other = build_corpus(None, tmp_path, 1, cap_bytes=1_500_000)

    assert other.domains[0].sha256["sealed"] != corpus.domains[0].sha256["sealed"]


def test_a_second_build_writes_nothing(corpus: CorpusInfo, corpus_dir: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus_dir.rglob("*")}

    again = build_corpus(None, corpus_dir, 0, cap_bytes=1_500_000)

    assert again == corpus
    assert {path: path.stat().st_mtime_ns for path in corpus_dir.rglob("*")} == before


def test_a_folder_has_a_domain_for_each_large_subfolder(tmp_path: Path) -> None:
    for name in ("poems", "prose"):
        write_texts(tmp_path / "mine" / name)

    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0)

    assert info.domain_names == ("poems", "prose")
    assert all(domain.n_bytes[split] > 1_000 for domain in info.domains for split in SPLITS)


def test_one_large_file_is_cut_so_that_something_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = "\n".join(f"line {i} of one long file" for i in range(5_000))
    (tmp_path / "mine" / "book.txt").write_text(text)

    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0)

    assert info.domain_names == ("text",)
    assert all(info.domains[0].n_bytes[split] > 1_000 for split in SPLITS)


def test_small_and_hidden_and_binary_files_do_not_make_domains(tmp_path: Path) -> None:
    write_texts(tmp_path / "mine" / "prose")
    write_texts(tmp_path / "mine" / ".git")
    write_texts(tmp_path / "mine" / "few", n_files=1, lines=2)
    (tmp_path / "mine" / "image.bin").write_bytes(bytes(range(256)) * 1_000)

    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0)

    assert info.domain_names == ("text",)
    assert ".git" not in read(tmp_path / "out", info, "train", "text")
    assert "few file" in "".join(read(tmp_path / "out", info, split, "text") for split in SPLITS)


@pytest.mark.parametrize("kind", ["missing", "empty", "binary", "file", "tiny", "copies"])
def test_a_folder_without_enough_text_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "mine"
    if kind == "file":
        source.write_text("text")
    elif kind != "missing":
        source.mkdir()
    if kind == "binary":
        (source / "image.bin").write_bytes(bytes(range(256)) * 1_000)
    if kind == "tiny":
        (source / "note.txt").write_text("hello")
    if kind == "copies":
        for i in range(100):
            (source / f"{i}.txt").write_text("the same line again and again\n" * 100)

    with pytest.raises(UsageError, match=r"corpus folder .*mine") as caught:
        build_corpus(source, tmp_path / "out", 0)

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_changed_text_is_refused(tmp_path: Path) -> None:
    write_texts(tmp_path / "mine")
    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0)
    (tmp_path / "out" / info.hash / "train" / "text.txt").write_bytes(b"something else")

    with pytest.raises(RunFailedError, match="has changed since it was built"):
        read(tmp_path / "out", info, "train", "text")


def test_a_changed_index_is_refused(tmp_path: Path) -> None:
    write_texts(tmp_path / "mine")
    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0)
    index = tmp_path / "out" / info.hash / "index.json"
    index.write_bytes(index.read_bytes().replace(b"1.0", b"0.5"))

    with pytest.raises(RunFailedError, match=r"index .* is damaged"):
        read_info(tmp_path / "out", info.hash)


def test_one_file_over_the_cap_is_read_as_far_as_the_cap(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = "\n".join(f"Zeile {i}: schöne Grüße" for i in range(20_000))
    (tmp_path / "mine" / "book.txt").write_text(text)

    info = build_corpus(tmp_path / "mine", tmp_path / "out", 0, cap_bytes=200_001)

    assert sum(info.domains[0].n_bytes.values()) == pytest.approx(200_000, rel=0.02)
