import msgspec
import pytest

from swarm.comms.messages import mind, research, ship
from swarm.comms.messages import treasury as money
from swarm.gpu.cost import CostModel
from swarm.gpu.devices import device
from swarm.kernel.message import ActorId
from swarm.kernel.role import Role
from swarm.pipeline.campaign import Means
from swarm.pipeline.parts import canonical_json
from swarm.pipeline.pretraining.spec import (
    GENERATION_0_ARCHITECTURE,
    GENERATION_0_FLOPS,
    GENERATION_0_MIXTURE,
    GENERATION_0_OPTIMIZER,
)
from swarm.pipeline.research.state import Policy, Research
from swarm.roles.data_researcher import DataResearcher, Inbox
from swarm.roles.pretraining_researcher import Part, PretrainingResearcher
from swarm.testing import FakeContext
from swarm.units import Credits, Ticks
