"""Units as types: a number that has one says so."""

from typing import NewType

Ticks = NewType("Ticks", int)
"""Virtual time or a span of it; one tick is one virtual second."""

GpuTicks = NewType("GpuTicks", int)
"""GPUs times ticks."""

Flops = NewType("Flops", int)
"""Nominal floating-point operations of real work, counted before it starts."""

Credits = NewType("Credits", int)
"""Micro-credits: the lab's money, always whole."""

Tokens = NewType("Tokens", int)
"""Tokens (bytes, for byte-level models) that a training job reads."""

MINUTE = Ticks(60)
HOUR = Ticks(3_600)
DAY = Ticks(86_400)
CREDIT = Credits(1_000_000)
