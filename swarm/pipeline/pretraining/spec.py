"""What a pre-training job is: the three parts it takes from the ship, its budget, its result.

Compared at equal FLOPs: ``Train`` carries a budget of nominal floating-point operations, and the
number of tokens follows from it and from the shape. A proposal of another width or depth is
thereby compared at equal FLOPs: a wider model reads fewer tokens.

Sources:
    6 FLOPs per token and weight: Kaplan et al. (arXiv:2001.08361), section 2.1. Deviations: the
    output projection counts as a weight, because it is multiplied; causal attention counts only
    the keys that a query may see.
"""

import math
from typing import Literal

from swarm.kernel.message import Message
from swarm.units import Flops, Tokens

VOCABULARY = 256
"""The models read and write bytes."""

DOMAINS = ("code", "docstrings", "comments", "markov", "brackets", "arithmetic", "noise")
"""Domains of the default corpus; a user's own folder has others."""

Norm = Literal["layernorm", "rmsnorm"]
Positions = Literal["learned", "rope"]
Activation = Literal["gelu", "relu2", "swiglu"]
Attention = Literal["full", "windowed", "grouped-query"]
OptimizerName = Literal["adamw", "muon"]
Schedule = Literal["constant", "linear", "cosine", "wsd"]

_RANGES = {"width": (8, 512), "depth": (1, 16), "heads": (1, 64), "context": (16, 512)}


class Mixture(Message, frozen=True, kw_only=True, tag="pretraining.mixture"):
    """How often each domain of the corpus is read: (domain, weight) pairs, weights >= 0.

    Weights need not sum to one. A domain that is not named is not read.
    """

    weights: tuple[tuple[str, float], ...]

    def problem(self) -> str | None:
        """Returns why no model can be trained on this mixture, or nothing if one can."""
        names = [name for name, _ in self.weights]
        if len(names) != len(set(names)):
            return f"mixture names a domain twice: {', '.join(names)}"
        if not all(math.isfinite(weight) and weight >= 0 for _, weight in self.weights):
            return "mixture weights must be finite and at least 0"
        if not sum(weight for _, weight in self.weights) > 0:
            return "mixture has no weight above 0"
        return None


class Architecture(Message, frozen=True, kw_only=True, tag="pretraining.architecture"):
    """A decoder-only transformer over bytes, without biases in its matrices.

    ``window`` (keys seen, itself included) matters to windowed attention only, ``n_kv_heads`` to
    grouped-query attention only. ``zero_init`` starts the output projections of the blocks at
    zero, so that a block first does nothing, and the matrices before them larger. The hidden layer
    is 4 widths, or 8/3 rounded up to 8 for ``swiglu``.
    """

    norm: Norm
    positions: Positions
    activation: Activation
    qk_norm: bool
    zero_init: bool
    width: int
    depth: int
    heads: int
    context: int
    """Bytes read at once, in training and in evaluation."""
    attention: Attention = "full"
    window: int = 32
    n_kv_heads: int = 1

    def problem(self) -> str | None:
        """Returns why no such model can be built, or nothing if one can."""
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                return f"{name} must be in [{low}, {high}], came {getattr(self, name)}"
        if self.width % self.heads:
            return f"width {self.width} is not divisible by {self.heads} heads"
        if self.positions == "rope" and self.width // self.heads % 2:
            return f"rope needs an even width per head, came {self.width // self.heads}"
        if self.attention == "windowed" and not 1 <= self.window <= self.context:
            return f"window must be in [1, {self.context}], came {self.window}"
        if self.attention == "grouped-query" and (
            not 1 <= self.n_kv_heads <= self.heads or self.heads % self.n_kv_heads
        ):
            return f"{self.heads} heads are not divisible by {self.n_kv_heads} key-value heads"
        return None

    def hidden(self) -> int:
        """Returns the width of the hidden layer of a block."""
        return -(-self.width * 8 // 24) * 8 if self.activation == "swiglu" else 4 * self.width

    def kv_width(self) -> int:
        """Returns the width of the keys, and of the values, of all heads together."""
        grouped = self.attention == "grouped-query"
        return self.width // self.heads * (self.n_kv_heads if grouped else self.heads)

    def n_params(self) -> int:
        """Returns the number of trained numbers, embeddings and norms included."""
        tables = VOCABULARY + (self.context if self.positions == "learned" else 0)
        per_norm = self.width * (2 if self.norm == "layernorm" else 1)
        return self._n_weights() + tables * self.width + per_norm * (2 * self.depth + 1)

    def flops_per_token(self) -> int:
        """Returns nominal operations to train on one token, forward and backward."""
        span = self.window if self.attention == "windowed" else self.context
        keys_seen = sum(min(i + 1, span) for i in range(self.context))
        return 6 * self._n_weights() + 12 * self.depth * self.width * keys_seen // self.context

    def _n_weights(self) -> int:
        """Returns the number of weights that a token is multiplied with."""
        attention = 2 * self.width * (self.width + self.kv_width())
        mlp = (3 if self.activation == "swiglu" else 2) * self.width * self.hidden()
        return self.depth * (attention + mlp) + VOCABULARY * self.width


class Optimizer(Message, frozen=True, kw_only=True, tag="pretraining.optimizer"):
    """How the weights are updated.

    With ``muon`` the matrices inside the blocks follow ``lr`` and all else (embeddings, norms, the
    output projection) follows AdamW at ``adam_lr``; with ``adamw`` everything follows ``lr``. The
    rate rises linearly over the first ``warmup`` of the steps; then it stays (``constant``), falls
    to 0 (``linear``, ``cosine``), or stays and falls to 0 over the last 40 % (``wsd``).
    """

    name: OptimizerName
    lr: float
    adam_lr: float = 0.005
    weight_decay: float
    """Share of a weight, per unit of rate, that is taken off each step; matrices only."""
    batch_tokens: int
    """Tokens per step; rounded down to whole sequences, at least one."""
    warmup: float
    """Share of all steps, in [0, 1)."""
    schedule: Schedule

    def problem(self) -> str | None:
        """Returns why no model can be trained so, or nothing if one can."""
        if not all(math.isfinite(rate) and rate > 0 for rate in (self.lr, self.adam_lr)):
            return f"learning rates must be above 0, came {self.lr} and {self.adam_lr}"
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            return f"weight decay must be at least 0, came {self.weight_decay}"
        if not 0 <= self.warmup < 1:
            return f"warm-up must be a share of the steps in [0, 1), came {self.warmup}"
        if not 64 <= self.batch_tokens <= 65_536:
            return f"tokens per step must be in [64, 65536], came {self.batch_tokens}"
        return None

    def rate(self, step: int, n_steps: int) -> float:
        """Returns the factor on the rates at a step (from 0) of so many."""
        n_warmup = int(self.warmup * n_steps)
        if step < n_warmup:
            return (step + 1) / (n_warmup + 1)
        left = (n_steps - step) / (n_steps - n_warmup)
        match self.schedule:
            case "constant":
                return 1.0
            case "linear":
                return left
            case "cosine":
                return 0.5 - 0.5 * math.cos(math.pi * left)
            case "wsd":
                return min(1.0, left / 0.4)


class Train(Message, frozen=True, kw_only=True, tag="pretraining.train"):
    """Train one model from nothing. Answered by ``Trained`` or ``work.JobFailed``.

    Tokens follow from the budget: the number of steps is ``flops`` over the cost of one step,
    rounded, at least one. So two shapes, or two batch sizes, are compared at equal FLOPs.
    """

    corpus: str
    """Hash of the corpus, as ``build_corpus`` gives it."""
    mixture: Mixture
    architecture: Architecture
    optimizer: Optimizer
    flops: Flops
    seed: int
    """Draws the first weights and the text that is read."""
    max_params: int | None = None
    """A larger model fails with kind ``limit``."""

    def problem(self) -> str | None:
        """Returns why this job makes no sense, or nothing if it can be tried."""
        if self.flops <= 0:
            return f"the budget must be above 0 FLOPs, came {self.flops}"
        parts = (self.mixture, self.architecture, self.optimizer)
        return next((found for part in parts if (found := part.problem())), None)

    @property
    def n_sequences(self) -> int:
        """Sequences per step."""
        return max(1, self.optimizer.batch_tokens // self.architecture.context)

    @property
    def n_steps(self) -> int:
        """Optimizer steps that the budget pays for, at least one."""
        step = self.n_sequences * self.architecture.context * self.architecture.flops_per_token()
        return max(1, round(self.flops / step))

    @property
    def tokens(self) -> Tokens:
        """Bytes that training reads."""
        return Tokens(self.n_steps * self.n_sequences * self.architecture.context)

    def cost(self) -> Flops:
        """Returns what the job will cost, before it starts; 0 if it cannot start."""
        if self.problem():
            return Flops(0)
        return Flops(self.tokens * self.architecture.flops_per_token())


class Trained(Message, frozen=True, kw_only=True, tag="pretraining.trained"):
    """The model exists: a safetensors file with its architecture in the metadata."""

    artifact: str
    """SHA-256 of the file, under which the workbench holds it."""
    train_bpb: float
    """Bits per byte on what was read last, before each update; on the mixture's own text."""
    tokens: Tokens
    steps: int
    n_params: int


GENERATION_0_MIXTURE = Mixture(weights=tuple((domain, 1.0) for domain in DOMAINS))

GENERATION_0_ARCHITECTURE = Architecture(
    norm="layernorm",
    positions="learned",
    activation="gelu",
    qk_norm=False,
    zero_init=False,
    width=64,
    depth=2,
    heads=4,
    context=64,
)

GENERATION_0_OPTIMIZER = Optimizer(
    name="adamw",
    lr=0.002,
    weight_decay=0.1,
    batch_tokens=512,
    warmup=0.1,
    schedule="cosine",
)

GENERATION_0_FLOPS = Flops(56_000_000_000)
"""Budget of one training job: about 75,000 tokens of generation 0's shape."""
