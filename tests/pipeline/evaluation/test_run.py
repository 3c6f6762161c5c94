from collections.abc import Callable
from hashlib import sha256

import pytest
import torch
from msgspec.structs import replace

from swarm.comms.messages import work
from swarm.pipeline.evaluation.run import evaluate, score, select_blocks
from swarm.pipeline.evaluation.spec import BLOCK_BYTES, Evaluate, Evaluated
from swarm.pipeline.pretraining.corpus import CorpusInfo
from swarm.pipeline.pretraining.model import Transformer
from swarm.pipeline.pretraining.run import decode_checkpoint, encode_checkpoint, train
from swarm.pipeline.pretraining.spec import GENERATION_0_ARCHITECTURE, Train, Trained
from swarm.pipeline.workbench import Workbench

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def trained(tiny: Callable[..., Train], bench: Workbench) -> str:
    """A checkpoint that has learned a little."""
    spec = tiny(steps=150)
    muon = replace(spec.optimizer, name="muon", lr=0.02, adam_lr=0.02)
    result = train(replace(spec, optimizer=muon), bench)
    assert isinstance(result, Trained)
    return result.artifact


def job(corpus: CorpusInfo, artifact: str) -> Evaluate:
    return Evaluate(corpus=corpus.hash, artifact=artifact, split="sealed", seed=5, n_blocks=40)


def outcome(spec: Evaluate, bench: Workbench) -> Evaluated:
    result = evaluate(spec, bench)
    assert isinstance(result, Evaluated), result
    return result


def put_model(bench: Workbench, *, is_uniform: bool) -> str:
    model = Transformer(GENERATION_0_ARCHITECTURE, torch.Generator().manual_seed(0))
    if is_uniform:
        torch.nn.init.zeros_(model.head_VW)
    return bench.put_artifact(encode_checkpoint(model))


def test_a_model_that_knows_nothing_costs_exactly_8_bits_a_byte(
    bench: Workbench, corpus: CorpusInfo
) -> None:
    result = outcome(job(corpus, put_model(bench, is_uniform=True)), bench)

    assert result.bpb == 8.0
    assert set(result.block_bpb) == {8.0}
    assert {bpb for _, bpb in result.domain_bpb} == {8.0}


def test_the_score_is_the_weighted_mean_of_the_domains(
    bench: Workbench, corpus: CorpusInfo, trained: str
) -> None:
    result = outcome(job(corpus, trained), bench)

    weights = dict(corpus.weights)
    expected = sum(weights[name] * bpb for name, bpb in result.domain_bpb)
    assert result.bpb == pytest.approx(expected, abs=2e-6)
    assert tuple(name for name, _ in result.domain_bpb) == corpus.domain_names
    assert result.n_bytes == len(result.block_bpb) * BLOCK_BYTES == 40 * BLOCK_BYTES


def test_the_same_evaluation_gives_the_same_bits_and_another_seed_reads_other_blocks(
    bench: Workbench, corpus: CorpusInfo, trained: str
) -> None:
    spec = job(corpus, trained)

    first, again, other = (
        outcome(one, bench) for one in (spec, spec, replace(spec, seed=spec.seed + 1))
    )

    assert first == again
    assert first.block_bpb != other.block_bpb


def test_the_audit_split_has_other_text(bench: Workbench, corpus: CorpusInfo, trained: str) -> None:
    sealed = job(corpus, trained)

    audit = replace(sealed, split="audit")

    assert outcome(audit, bench).bpb != outcome(sealed, bench).bpb


def test_blocks_are_distinct_and_depend_on_the_seed_alone(
    bench: Workbench, corpus: CorpusInfo
) -> None:
    text = bench.benchmark_text(corpus.hash, "sealed")

    blocks = dict(select_blocks(text, 5, 40))
    again = dict(select_blocks(text, 5, 40))

    assert sum(map(len, blocks.values())) == 40
    assert len(blocks["noise"]) == 1
    assert len(blocks["code"]) > len(blocks["docstrings"]) > len(blocks["comments"])
    for domain, rows in blocks.items():
        assert torch.equal(rows, again[domain])
        assert len({tuple(row) for row in rows.tolist()}) == len(rows)
        content = text.read(domain)
        assert all(bytes(row) in content for row in rows.tolist())


def test_a_split_with_too_few_blocks_is_read_whole_and_once(
    bench: Workbench, corpus: CorpusInfo
) -> None:
    text = bench.benchmark_text(corpus.hash, "sealed")

    blocks = dict(select_blocks(text, 5, 100_000))

    for domain in ("code", "comments", "arithmetic"):
        content, rows = text.read(domain), blocks[domain]
        assert bytes(rows[:, 1:].flatten().tolist()) == content[1 : 1 + len(rows) * BLOCK_BYTES]
        assert len(content) - 1 - len(rows) * BLOCK_BYTES < BLOCK_BYTES


@pytest.mark.parametrize("context", [16, 24, 64, 256, 512])
def test_every_byte_is_counted_once_whatever_the_context(context: int) -> None:
    shape = replace(GENERATION_0_ARCHITECTURE, width=8, heads=1, depth=1, context=context)
    asked: list[torch.Tensor] = []

    class Counting(Transformer):
        def bits(self, inputs_BT: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
            assert inputs_BT.shape[1] <= context
            asked.append(targets_BT)
            return targets_BT.float()

    rows = torch.arange(257).repeat(2, 1)

    scores = score(Counting(shape, torch.Generator()), rows)

    assert torch.cat(asked, dim=1)[0].tolist() == list(range(1, 257))
    assert scores.tolist() == [sum(range(1, 257)) / 256] * 2


def test_permuted_bytes_cost_more(bench: Workbench, corpus: CorpusInfo, trained: str) -> None:
    model = decode_checkpoint(bench.get_artifact(trained))
    text = bench.benchmark_text(corpus.hash, "sealed")
    rows = torch.cat([one for name, one in select_blocks(text, 5, 100) if name != "noise"])
    order = torch.randperm(rows.shape[1], generator=torch.Generator().manual_seed(0))

    as_written, permuted = score(model, rows).mean(), score(model, rows[:, order]).mean()

    assert float(permuted) > float(as_written) + 0.1


def test_no_model_beats_the_known_entropy(
    bench: Workbench, corpus: CorpusInfo, trained: str
) -> None:
    result = outcome(replace(job(corpus, trained), n_blocks=400), bench)

    measured = dict(result.domain_bpb)
    for domain in corpus.domains:
        if domain.entropy_bpb is not None:
            assert measured[domain.name] > domain.entropy_bpb - 0.05


@pytest.mark.parametrize("name", ["0" * 64, "../index.json"])
def test_a_checkpoint_that_is_not_there_is_an_answer(
    bench: Workbench, corpus: CorpusInfo, name: str
) -> None:
    failed = evaluate(job(corpus, name), bench)

    assert isinstance(failed, work.JobFailed)
    assert failed.kind == "missing"


def test_what_is_not_a_checkpoint_is_an_answer(bench: Workbench, corpus: CorpusInfo) -> None:
    artifact = bench.put_artifact(b"these are not weights")
    assert artifact == sha256(b"these are not weights").hexdigest()

    failed = evaluate(job(corpus, artifact), bench)

    assert isinstance(failed, work.JobFailed)
    assert failed.kind == "invalid"


def test_too_few_blocks_are_an_answer(bench: Workbench, corpus: CorpusInfo, trained: str) -> None:
    failed = evaluate(replace(job(corpus, trained), n_blocks=3), bench)

    assert isinstance(failed, work.JobFailed)
    assert failed.kind == "invalid"
