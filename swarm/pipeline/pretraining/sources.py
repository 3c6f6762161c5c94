"""Where text comes from: Python's standard library or a folder; and how it is cut into splits."""

import os
import sysconfig
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from swarm.errors import UsageError, boundary
from swarm.pipeline.pretraining.python_text import cut_python, paragraphs

CAP_BYTES = 8_000_000
"""How much text is read at most."""

MIN_FOLDER_BYTES = 64 * 1024
"""The least text a folder, or a domain of its own in one, must have."""

_HELD_OUT_SHARE = 0.05
_NOT_LIBRARY = frozenset(
    ("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__",
     "pydoc_data", "encodings", "ensurepip", "turtledemo")
)  # fmt: skip
"""Tests, other people's packages, and tables that are not written by people."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is held out whole or not at all."""

    name: str
    domain: str
    """``python`` for a file that is yet to be cut into code, docstrings and comments."""
    text: str

    def units(self) -> dict[str, list[str]]:
        """Returns the units of text of each domain, in order."""
        if self.domain != "python":
            return {self.domain: paragraphs(self.text)}
        cut = cut_python(self.text)
        return {"code": cut.code, "docstrings": cut.docstrings, "comments": cut.comments}


def python_documents(seed: int, cap_bytes: int) -> list[Document]:
    """Returns files of the standard library, tests and tables left out.

    Raises:
        UsageError: If this Python comes without the source of its library.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in _walk(root, _NOT_LIBRARY) if path.suffix == ".py")
    texts = _texts(root, found, seed, cap_bytes)
    if sum(len(text) for _, text in texts) < MIN_FOLDER_BYTES:
        raise UsageError(
            what=f"this Python has no library source in {root}; give a folder of text as the corpus"
        )
    return [Document(name=name, domain="python", text=text) for name, text in texts]


def folder_documents(root: Path, seed: int, cap_bytes: int) -> list[Document]:
    """Returns the UTF-8 files of a folder, hidden ones left out.

    The domain of a file is its top-level subfolder, or without subfolders its suffix. Domains of
    less than 64 KiB are put together as ``other``, and if that is still too small, or only one
    domain is left, all is ``text``. A file that is more than a fortieth of its domain is cut into
    pieces at line ends, so that something can be held out.

    Raises:
        UsageError: If the folder is missing, not readable, or has less than 64 KiB of text.
    """
    if not root.is_dir():
        raise UsageError(what=f"corpus folder {root} does not exist or is not a folder")
    with boundary(UsageError, f"cannot read the corpus folder {root}"):
        texts = _texts(root, _walk(root, frozenset()), seed, cap_bytes)
    n_bytes = sum(len(text.encode()) for _, text in texts)
    if n_bytes < MIN_FOLDER_BYTES:
        raise UsageError(
            what=f"corpus folder {root} has {n_bytes} bytes of UTF-8 text; at least"
            f" {MIN_FOLDER_BYTES} are needed"
        )
    documents: list[Document] = []
    for domain, members in _by_domain(texts).items():
        total = sum(len(text) for _, text in members)
        for name, text in members:
            pieces = _pieces(text, max(512, total // 200)) if len(text) > total / 40 else [text]
            documents += (
                Document(name=f"{name}#{number}", domain=domain, text=piece)
                for number, piece in enumerate(pieces)
            )
    return documents


def cut_into_splits(
    documents: list[Document], seed: int
) -> dict[tuple[Literal["train", "sealed", "audit"], str], bytes]:
    """Returns the text of each (split, domain), without duplicates.

    Documents are held out in an order drawn from the seed, about 5 % of the bytes of each domain
    for either split. Large ones (over an eighth of that) come last, so that what is held out is
    from many documents.
    """
    held_out = _hold_out(documents, seed)
    seen: set[tuple[str, str]] = set()
    texts: dict[tuple[Literal["train", "sealed", "audit"], str], bytes] = {}
    # Held-out text first: of two equal units the one in train is dropped.
    for split in ("sealed", "audit", "train"):
        parts: dict[str, list[str]] = {}
        for document in documents:
            if held_out.get(document.name, "train") != split:
                continue
            for domain, units in document.units().items():
                for unit in units:
                    if (domain, unit) not in seen:
                        seen.add((domain, unit))
                        parts.setdefault(domain, []).append(unit)
        for domain, units in parts.items():
            texts[split, domain] = ("\n\n".join(units) + "\n").encode()
    return texts


def _hold_out(documents: list[Document], seed: int) -> dict[str, Literal["sealed", "audit"]]:
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.domain, []).append(document)
    held_out: dict[str, Literal["sealed", "audit"]] = {}
    for group in groups.values():
        target = _HELD_OUT_SHARE * sum(len(document.text) for document in group)
        order = sorted(group, key=lambda document: _rank(seed, "held-out", document.name))
        order.sort(key=lambda document: len(document.text) > target / 8)
        taken = 0
        for document in order:
            held_out[document.name] = "sealed" if taken < target else "audit"
            taken += len(document.text)
            if taken >= 2 * target:
                break
    return held_out


def _by_domain(texts: list[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    has_folders = any("/" in name for name, _ in texts)
    domains: dict[str, list[tuple[str, str]]] = {}
    for name, text in texts:
        top, _, rest = name.partition("/")
        domain = (top if rest else "top") if has_folders else Path(name).suffix.lstrip(".")
        domains.setdefault(_clean(domain), []).append((name, text))
    large: dict[str, list[tuple[str, str]]] = {}
    other: list[tuple[str, str]] = []
    for domain in sorted(domains):
        members = domains[domain]
        if sum(len(text) for _, text in members) >= MIN_FOLDER_BYTES:
            large[domain] = members
        else:
            other += members
    if other and sum(len(text) for _, text in other) < MIN_FOLDER_BYTES:
        return {"text": texts}
    if other:
        large["other"] = large.get("other", []) + other
    return large if len(large) > 1 else {"text": texts}


def _pieces(text: str, size: int) -> Iterator[str]:
    """Yields pieces of about that many characters, up to twice as many to end with a line."""
    at = 0
    while at < len(text):
        line_end = text.find("\n", at + size, at + 2 * size)
        end = line_end + 1 if line_end >= 0 else at + 2 * size
        yield text[at:end]
        at = end


def _texts(root: Path, paths: Iterable[Path], seed: int, cap_bytes: int) -> list[tuple[str, str]]:
    """Returns (relative name, text) of files that hold UTF-8 text, up to the cap, by name.

    The last file taken may be cut short.
    """
    named = [(path.relative_to(root).as_posix(), path) for path in paths]
    named.sort(key=lambda pair: _rank(seed, "cap", pair[0]))
    chosen: list[tuple[str, str]] = []
    left = cap_bytes
    for name, path in named:
        if left <= 0:
            break
        with path.open("rb") as file:
            data = file.read(left)
        try:  # a character that the cap cuts in two is not an error
            text = getincrementaldecoder("utf-8")().decode(data, len(data) < left)
        except UnicodeDecodeError:
            continue
        if text.strip() and "\0" not in text:
            chosen.append((name, text.replace("\r\n", "\n")))
            left -= len(data)
    return sorted(chosen)


def _walk(root: Path, skipped: frozenset[str]) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in skipped and not name.startswith(".")
        )
        for name in sorted(files):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _rank(seed: int, purpose: str, name: str) -> bytes:
    return blake2b(f"{seed}\0{purpose}\0{name}".encode(), digest_size=16).digest()


def _clean(domain: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in domain)
    return kept[:40] or "text"
