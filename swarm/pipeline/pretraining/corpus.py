"""The corpus on disk: what it holds, how it is built once, and the handle that reads one split.

    <out>/<hash>/index.json             domains, benchmark weights, sizes, hashes
    <out>/<hash>/<split>/<domain>.txt   split: train, sealed, audit
    <out>/sources/<key>                 the hash that a source gave, so that it is built once

The hash of a corpus is the SHA-256 of its index, which holds the hashes of all texts: equal hash,
equal bytes.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from swarm.errors import RunFailedError, UsageError, boundary
from swarm.pipeline.pretraining.procedural import SOURCES
from swarm.pipeline.pretraining.sources import (
    CAP_BYTES,
    Document,
    cut_into_splits,
    folder_documents,
    python_documents,
)

SplitName = Literal["train", "sealed", "audit"]
SPLITS: tuple[SplitName, ...] = ("train", "sealed", "audit")

BENCHMARK = (
    ("code", 0.76),
    ("docstrings", 0.12),
    ("comments", 0.06),
    ("markov", 0.02),
    ("brackets", 0.02),
    ("arithmetic", 0.02),
    ("noise", 0.00),
)
"""What the sealed score of the default corpus is made of; nothing is to be learned from noise."""

_FORMAT = "swarm-corpus-1"
_MIN_SPLIT_BYTES = 1_024
_PROCEDURAL_BYTES = {"train": 400_000, "sealed": 50_000, "audit": 50_000}


class DomainInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One domain of a corpus."""

    name: str
    weight: float
    """Share in the benchmark; the weights of a corpus sum to 1."""
    entropy_bpb: float | None
    """Known entropy in bits per byte, for generated text."""
    n_bytes: dict[SplitName, int]
    sha256: dict[SplitName, str]


class CorpusInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The index of a corpus."""

    format: str
    domains: tuple[DomainInfo, ...]

    @property
    def hash(self) -> str:
        """Name of the corpus: SHA-256 of this index."""
        return sha256(self.encode()).hexdigest()

    def encode(self) -> bytes:
        """Returns the one JSON text of this index, keys sorted."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Domains, in the order that results are reported in."""
        return tuple(domain.name for domain in self.domains)

    @property
    def weights(self) -> tuple[tuple[str, float], ...]:
        """(domain, share in the benchmark)."""
        return tuple((domain.name, domain.weight) for domain in self.domains)


@dataclass(frozen=True, kw_only=True)
class SplitText:
    """Reads one split of one corpus, and cannot open another."""

    root: Path
    info: CorpusInfo
    split: SplitName

    def read(self, domain: str) -> bytes:
        """Returns the text of a domain, checked against the index once per process.

        Raises:
            RunFailedError: If the file is missing or changed.
        """
        found = next(one for one in self.info.domains if one.name == domain)
        path = self.root / self.info.hash / self.split / f"{domain}.txt"
        return _read_checked(path, found.sha256[self.split])


def build_corpus(
    source: Path | None, out: Path, seed: int, *, cap_bytes: int = CAP_BYTES
) -> CorpusInfo:
    """Builds a corpus under ``out``, or finds the one that the same source gave before.

    Without a source: the standard library of the running Python, cut by file (about 90 % train, 5 %
    sealed, 5 % audit) and each file into code, docstrings and comments, plus the generated domains
    of ``procedural``. With one: the UTF-8 text of that folder, cut by file within each domain. A
    unit of text (paragraph, docstring, comment) that occurs twice is kept once, in the first of
    sealed, audit, train, so nothing held out can be learned by heart.

    Args:
        source: Folder with the user's own text, or nothing.
        out: Folder for corpora; created.
        seed: Decides which files are held out, and the generated text.
        cap_bytes: How much text is read at most; files are taken in an order drawn from the seed.

    Raises:
        UsageError: If the folder is missing, not readable, or has too little text.
        RunFailedError: If ``out`` cannot be written.
    """
    documents = (
        folder_documents(source, seed, cap_bytes) if source else python_documents(seed, cap_bytes)
    )
    key = _source_key(documents, seed, is_default=source is None)
    known = out / "sources" / key
    if known.is_file() and (out / (name := known.read_text().strip()) / "index.json").is_file():
        return read_info(out, name)
    texts, entropies = _texts(documents, seed, is_default=source is None)
    _expect_enough(texts, source)
    info = _index(texts, entropies, is_default=source is None)
    with boundary(RunFailedError, f"cannot write the corpus to {out}"):
        known.parent.mkdir(parents=True, exist_ok=True)
        _write(out, info, texts)
        _replace(known, info.hash.encode())
    return info


def read_info(root: Path, name: str) -> CorpusInfo:
    """Returns the index of the corpus of that hash.

    Raises:
        RunFailedError: If the index is missing or does not have that hash.
    """
    path = root / name / "index.json"
    with boundary(RunFailedError, f"cannot read the corpus index {path}"):
        info = msgspec.json.decode(path.read_bytes(), type=CorpusInfo)
    if info.hash != name:
        raise RunFailedError(what=f"corpus index {path} is damaged; remove its folder and rebuild")
    return info


Texts = dict[tuple[SplitName, str], bytes]


def _texts(
    documents: list[Document], seed: int, *, is_default: bool
) -> tuple[Texts, dict[str, float]]:
    texts: Texts = cut_into_splits(documents, seed)
    if not is_default:
        return texts, {}
    for one in SOURCES:
        for split in SPLITS:
            texts[split, one.name] = one.write(_PROCEDURAL_BYTES[split], seed, split)
    return texts, {one.name: one.entropy_bpb for one in SOURCES}


def _expect_enough(texts: Texts, source: Path | None) -> None:
    for domain in sorted({domain for _, domain in texts}):
        for split in SPLITS:
            if (n_bytes := len(texts.get((split, domain), b""))) < _MIN_SPLIT_BYTES:
                raise UsageError(
                    what=f"corpus folder {source or 'of the standard library'} has too little"
                    f" distinct text: {n_bytes} bytes for {split} of {domain!r}, at least"
                    f" {_MIN_SPLIT_BYTES} are needed; add text or remove duplicates"
                )


def _index(texts: Texts, entropies: dict[str, float], *, is_default: bool) -> CorpusInfo:
    names = sorted({domain for _, domain in texts})
    total = sum(len(texts["train", name]) for name in names)
    weights = BENCHMARK if is_default else tuple((n, len(texts["train", n]) / total) for n in names)
    return CorpusInfo(
        format=_FORMAT,
        domains=tuple(
            DomainInfo(
                name=name,
                weight=weight,
                entropy_bpb=entropies.get(name),
                n_bytes={split: len(texts[split, name]) for split in SPLITS},
                sha256={split: sha256(texts[split, name]).hexdigest() for split in SPLITS},
            )
            for name, weight in weights
        ),
    )


def _source_key(documents: list[Document], seed: int, *, is_default: bool) -> str:
    digest = sha256(f"{_FORMAT}\0{seed}\0{is_default}\0{BENCHMARK}\0".encode())
    for document in documents:
        digest.update(f"{document.domain}\0{document.name}\0".encode())
        digest.update(sha256(document.text.encode()).digest())
    return digest.hexdigest()


def _write(out: Path, info: CorpusInfo, texts: Texts) -> None:
    """Writes beside the final place and renames, so that a corpus is there whole or not at all."""
    final = out / info.hash
    if final.is_dir():
        return
    draft = Path(tempfile.mkdtemp(dir=out, prefix=".corpus-"))
    try:
        for (split, domain), text in texts.items():
            (draft / split).mkdir(exist_ok=True)
            (draft / split / f"{domain}.txt").write_bytes(text)
        (draft / "index.json").write_bytes(info.encode())
        try:
            draft.rename(final)
        except OSError:
            if not final.is_dir():  # else another process was first, with the same bytes
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(path)


@lru_cache(maxsize=64)
def _read_checked(path: Path, digest: str) -> bytes:
    with boundary(RunFailedError, f"cannot read {path}"):
        data = path.read_bytes()
    if sha256(data).hexdigest() != digest:
        raise RunFailedError(what=f"{path} has changed since it was built; remove its folder")
    return data
