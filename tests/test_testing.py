from swarm.comms.messages import gossip
from swarm.kernel.message import ActorId
from swarm.testing import FakeContext
from swarm.units import Ticks


def token(text: str) -> gossip.Token:
    return gossip.Token(text=text)


def test_the_virtual_clock_jumps_from_timer_to_timer() -> None:
    ctx = FakeContext(me=ActorId("ada-0"))
    ctx.after(Ticks(60), token("later"))
    ctx.after(Ticks(5), token("soon"))
    ctx.after(Ticks(5), token("soon too"))

    first, second, third = (ctx.jump(), ctx.now), (ctx.jump(), ctx.now), (ctx.jump(), ctx.now)

    assert first == ([token("soon"), token("soon too")], 5)
    assert second == ([token("later")], 60)
    assert third == ([], 60)
