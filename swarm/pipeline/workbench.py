"""What a job finds on the machine it runs on: checkpoints by content, and the texts it may read.

A training job asks for ``training_text`` and gets a handle that opens the train split only; an
evaluation asks for ``benchmark_text`` and gets one other split. No handle gives both.
"""

import os
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from swarm.errors import RunFailedError, SwarmError, boundary
from swarm.pipeline.evaluation.spec import Split
from swarm.pipeline.pretraining.corpus import CorpusInfo, SplitText, read_info


@dataclass(eq=False, kw_only=True)
class MissingError(SwarmError):
    """A job names something that is not on the workbench."""

    what: str
    name: str
    where: str

    def __str__(self) -> str:
        # Without the folder: this becomes data, and data must not depend on where a run is kept.
        return f"the workbench has no {self.what} {self.name!r}"


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """The folders that jobs share; safe to use from many processes at once."""

    corpus_dir: Path
    """Where ``build_corpus`` writes."""
    artifacts_dir: Path
    """Files named by the SHA-256 of what they hold; created when first needed."""
    salt: str = ""
    """Code, libraries and processor: half a job is of no use to others than these."""

    def put_artifact(self, data: bytes) -> str:
        """Stores bytes for good and returns their SHA-256. The same bytes are stored once.

        Raises:
            RunFailedError: If the disk refuses.
        """
        digest = sha256(data).hexdigest()
        path = self.artifacts_dir / digest
        if not path.exists():
            with boundary(RunFailedError, f"cannot store an artifact in {self.artifacts_dir}"):
                self.artifacts_dir.mkdir(parents=True, exist_ok=True)
                _write_at_once(path, data)
        return digest

    def get_artifact(self, digest: str) -> bytes:
        """Returns the bytes of that SHA-256.

        Raises:
            MissingError: If there are none of that name.
            RunFailedError: If the file does not hold what its name says, or cannot be read.
        """
        path = self.artifacts_dir / digest
        if not _is_digest(digest) or not path.is_file():
            raise MissingError(what="artifact", name=digest, where=str(self.artifacts_dir))
        with boundary(RunFailedError, f"cannot read {path}"):
            data = path.read_bytes()
        if (found := sha256(data).hexdigest()) != digest:
            raise RunFailedError(
                what=f"artifact {digest} is damaged: its content has the hash {found};"
                f" remove {path} and run the job again"
            )
        return data

    def unfinished(self, job: bytes) -> "Unfinished":
        """Returns where a long job keeps how far it is, should its process die.

        Args:
            job: Its specification, encoded.
        """
        name = sha256(self.salt.encode() + job).hexdigest()
        return Unfinished(self.artifacts_dir / "unfinished" / name)

    def corpus_info(self, corpus: str) -> CorpusInfo:
        """Returns the index of a corpus; it holds no text.

        Raises:
            MissingError: If no such corpus was built here.
        """
        if not _is_digest(corpus) or not (self.corpus_dir / corpus).is_dir():
            raise MissingError(what="corpus", name=corpus, where=str(self.corpus_dir))
        return read_info(self.corpus_dir, corpus)

    def training_text(self, corpus: str) -> SplitText:
        """Returns the handle for training jobs: it opens the train split and nothing else."""
        return SplitText(root=self.corpus_dir, info=self.corpus_info(corpus), split="train")

    def benchmark_text(self, corpus: str, split: Split) -> SplitText:
        """Returns the handle for evaluations: it opens that split and nothing else."""
        return SplitText(root=self.corpus_dir, info=self.corpus_info(corpus), split=split)


class Unfinished:
    """How far one job is: bytes that only this job can read. The result is the same without.

    Args:
        path: Its file; there while the job is under way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> bytes | None:
        """Returns what was last saved; None if that is nothing, or not whole."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        sum_, content = data[:32], data[32:]
        return content if sha256(content).digest() == sum_ else None

    def save(self, content: bytes) -> None:
        """Saves, in the place of what was saved before.

        Raises:
            RunFailedError: If the disk refuses.
        """
        with boundary(RunFailedError, f"cannot save half a job as {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _write_at_once(self._path, sha256(content).digest() + content)

    def clear(self) -> None:
        """Forgets everything: the job is done."""
        self._path.unlink(missing_ok=True)


def _is_digest(name: str) -> bool:
    return len(name) == 64 and all(c in "0123456789abcdef" for c in name)


def _write_at_once(path: Path, data: bytes) -> None:
    """Writes so that the name appears only when all bytes are on the disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".artifact-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
