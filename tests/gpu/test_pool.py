import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from swarm.errors import InvariantError, UsageError
from swarm.gpu.audit import Usage
from swarm.gpu.devices import H100, uniform_cluster
from swarm.gpu.leases import Lease, Request, Share, Take
from swarm.gpu.mechanism import Award, mechanism
from swarm.gpu.mechanisms.sealed_bid import SealedBid
from swarm.gpu.placement import Consolidate
from swarm.gpu.pool import Pool, open_pool
from swarm.gpu.rounds import Rules, play_round
from swarm.kernel.message import ActorId, ContractId
from swarm.units import Credits, GpuTicks, Ticks

ADA = ContractId("ada/0")


def make(*, nodes: int = 2, reserve: int = 1) -> Pool:
    cluster = uniform_cluster(H100, nodes=nodes, gpus_per_node=4)
    return open_pool(cluster, reserve=Credits(reserve), now=Ticks(0))


def request(contract: str, gpus: int, *, duration: int = 100, at: int = 0) -> Request:
    return Request(
        contract=ContractId(contract),
        holder=ActorId(contract.partition("/")[0]),
        gpus=gpus,
        duration=Ticks(duration),
        bid=Credits(10_000),
        submitted_at=Ticks(at),
    )


def lease(
    pool: Pool, contract: str, gpus: int, *, at: int = 0, duration: int = 100, is_begun: bool = True
) -> Lease:
    """Submits and grants at once, where consolidation puts it."""
    asked = request(contract, gpus, duration=duration, at=at)
    pool.submit(asked)
    view = pool.view(Consolidate())
    takes = Consolidate().place(gpus, idle=view.idle, sizes=view.sizes)
    assert takes is not None
    award = Award(request=asked, takes=takes, payment=Credits(7))
    return pool.grant(award, Ticks(at), is_begun=is_begun)


def test_lease_names_its_devices_holder_times_and_price() -> None:
    pool = make()

    granted = lease(pool, "ada/0", 6, at=10)

    assert granted.device_names(pool.cluster) == (
        *("node-0/0", "node-0/1", "node-0/2", "node-0/3"),
        *("node-1/0", "node-1/1"),
    )
    assert (granted.holder, granted.gpus, granted.price) == ("ada", 6, 7)
    assert (granted.granted_at, granted.starts_at, granted.ends_at) == (10, 10, 110)


def test_granted_request_leaves_the_queue_and_its_gpus_are_no_longer_idle() -> None:
    pool = make()

    lease(pool, "ada/0", 3)

    assert pool.queue == []
    assert list(pool.leases) == ["ada/0"]
    assert pool.idle == [[3], [0, 1, 2, 3]]


def test_released_gpus_are_idle_again_in_order() -> None:
    pool = make()
    lease(pool, "ada/0", 2)
    lease(pool, "bob/0", 2)

    pool.release(ContractId("bob/0"), Ticks(5))
    pool.release(ADA, Ticks(6))

    assert pool.idle == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert pool.leases == {}


def test_queue_is_by_time_of_submission_then_contract() -> None:
    pool = make()

    for one in (request("b/0", 1, at=5), request("a/0", 1, at=5), request("c/0", 1, at=4)):
        pool.submit(one)

    assert [one.contract for one in pool.queue] == ["c/0", "a/0", "b/0"]


def test_withdrawn_request_is_gone_and_a_second_withdrawal_says_so() -> None:
    pool = make()
    asked = request("ada/0", 1)
    pool.submit(asked)

    first, second = pool.withdraw(ADA), pool.withdraw(ADA)

    assert (first, second) == (asked, None)
    assert pool.queue == []


def test_expired_leases_are_those_whose_end_has_come_by_end_then_contract() -> None:
    pool = make()
    for contract, duration in (("d/0", 9), ("b/0", 8), ("c/0", 7), ("a/0", 8)):
        lease(pool, contract, 1, duration=duration)

    expired = pool.expired(Ticks(8))

    assert [one.contract for one in expired] == ["c/0", "a/0", "b/0"]


def test_lease_that_is_only_held_does_not_expire() -> None:
    pool = make()
    lease(pool, "ada/0", 4, duration=5, is_begun=False)

    pool.audit(Ticks(9))

    assert pool.expired(Ticks(9)) == []


def test_time_of_a_lease_cannot_begin_twice() -> None:
    pool = make()
    lease(pool, "ada/0", 4)

    with pytest.raises(InvariantError, match="paid time begins once"):
        pool.begin(ADA, Ticks(1))


def test_paid_time_begins_when_the_price_was_collected() -> None:
    pool = make()
    lease(pool, "ada/0", 4, at=10, is_begun=False)

    begun = pool.begin(ADA, Ticks(13))

    assert (begun.granted_at, begun.starts_at, begun.ends_at) == (10, 13, 113)
    assert pool.leases[ADA] == begun


def test_gpu_time_is_leased_from_the_grant_to_the_release() -> None:
    pool = make()
    lease(pool, "ada/0", 4, at=10, is_begun=False)
    pool.begin(ADA, Ticks(13))
    lease(pool, "bob/0", 1, at=20)

    pool.release(ADA, Ticks(30))

    assert pool.usage(Ticks(40)) == Usage(
        offered=GpuTicks(320), leased=GpuTicks(4 * 20 + 20), idle=GpuTicks(220)
    )


def test_asking_for_usage_or_an_audit_changes_nothing() -> None:
    pool = make()
    lease(pool, "ada/0", 4)
    before = msgspec.json.encode(pool)

    pool.usage(Ticks(50))
    pool.audit(Ticks(50))

    assert msgspec.json.encode(pool) == before


def test_pool_survives_a_snapshot_byte_for_byte_and_goes_on_alike() -> None:
    pool = make()
    lease(pool, "ada/0", 3)
    pool.submit(request("bob/0", 8))
    stored = msgspec.json.encode(pool)

    copy = msgspec.json.decode(stored, type=Pool)

    assert copy == pool
    assert msgspec.json.encode(copy) == stored
    assert copy.release(ADA, Ticks(9)) == pool.release(ADA, Ticks(9))
    assert msgspec.json.encode(copy) == msgspec.json.encode(pool)


def test_pools_do_not_share_their_queues() -> None:
    one, other = make(), make()

    one.submit(request("ada/0", 1))

    assert other.queue == []


def test_negative_reserve_price_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 0, came -1"):
        make(reserve=-1)


def test_second_request_of_a_contract_is_a_bug() -> None:
    pool = make()
    lease(pool, "ada/0", 1)

    with pytest.raises(InvariantError, match="one request per contract"):
        pool.submit(request("ada/0", 1))


def test_grant_to_somebody_who_does_not_wait_is_a_bug() -> None:
    award = Award(request=request("ada/0", 1), takes=(Take(node=0, gpus=1),), payment=Credits(0))

    with pytest.raises(InvariantError, match="only who waits gets a lease"):
        make().grant(award, Ticks(0), is_begun=True)


def test_part_of_a_gang_is_a_bug() -> None:
    pool = make()
    asked = request("ada/0", 4)
    pool.submit(asked)

    award = Award(request=asked, takes=(Take(node=0, gpus=3),), payment=Credits(0))

    with pytest.raises(InvariantError, match="a gang starts whole: expected 4 GPUs"):
        pool.grant(award, Ticks(0), is_begun=True)


def test_grant_of_gpus_that_are_not_idle_is_a_bug() -> None:
    pool = make()
    lease(pool, "ada/0", 3)
    asked = request("bob/0", 2)
    pool.submit(asked)

    award = Award(request=asked, takes=(Take(node=0, gpus=2),), payment=Credits(0))

    with pytest.raises(InvariantError, match=r"only idle GPUs.*node-0, came 2 for bob/0"):
        pool.grant(award, Ticks(0), is_begun=True)


def test_release_of_an_unknown_lease_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="a lease of ada/0, came none"):
        make().release(ADA, Ticks(0))


def test_time_that_runs_backwards_is_a_bug() -> None:
    pool = make()
    lease(pool, "ada/0", 1, at=10)

    with pytest.raises(InvariantError, match="time goes forward: expected 10 or later, came 9"):
        pool.release(ADA, Ticks(9))


def test_audit_finds_a_gpu_that_is_leased_twice() -> None:
    pool = make()
    held = lease(pool, "ada/0", 2)
    pool.leases[ContractId("bob/0")] = msgspec.structs.replace(held, contract=ContractId("bob/0"))

    with pytest.raises(InvariantError, match="no GPU twice"):
        pool.audit(Ticks(1))


def test_audit_finds_a_gpu_that_is_lost() -> None:
    pool = make()
    pool.idle[1].pop()

    with pytest.raises(InvariantError, match="expected 8 GPUs, each idle or leased once, came 7"):
        pool.audit(Ticks(0))


def test_audit_finds_a_gpu_that_the_cluster_does_not_have() -> None:
    pool = make()
    held = lease(pool, "ada/0", 1)
    pool.leases[ADA] = msgspec.structs.replace(held, shares=(Share(node=0, gpus=(9,)),))

    with pytest.raises(InvariantError, match="no GPU twice"):
        pool.audit(Ticks(1))


def test_audit_finds_a_lease_that_outlived_its_end() -> None:
    pool = make()
    lease(pool, "ada/0", 1, duration=5)

    pool.audit(Ticks(5))

    with pytest.raises(InvariantError, match="ada/0 released at 5, came held at 6"):
        pool.audit(Ticks(6))


def test_audit_finds_gpu_time_that_was_not_counted() -> None:
    pool = make()
    lease(pool, "ada/0", 4)
    pool.release(ADA, Ticks(10))
    pool.returned_milli_ticks = 39_000

    with pytest.raises(InvariantError, match="GPU time is conserved: expected 80"):
        pool.audit(Ticks(10))


RULES = Rules(mechanism=SealedBid(), placement=Consolidate())


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens to a pool, in whatever order, the audit passes."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = make(nodes=3)
        self.now = Ticks(0)
        self.asked = 0

    @rule(gpus=st.integers(1, 12), duration=st.integers(1, 30), bid=st.integers(0, 500))
    def submit(self, gpus: int, duration: int, bid: int) -> None:
        asked = request(f"actor/{self.asked}", gpus, duration=duration, at=self.now)
        self.pool.submit(msgspec.structs.replace(asked, bid=Credits(bid)))
        self.asked += 1

    @rule(is_begun=st.booleans())
    def play_round(self, is_begun: bool) -> None:
        play_round(self.pool, RULES, self.now, is_begun=is_begun)

    @rule(ticks=st.integers(1, 20))
    def let_time_pass(self, ticks: int) -> None:
        until = Ticks(self.now + ticks)
        for over in self.pool.expired(until):
            self.pool.release(over.contract, over.ends_at)
        self.now = until

    @precondition(lambda self: self.pool.leases)
    @rule(data=st.data(), is_released=st.booleans())
    def touch_a_lease(self, data: st.DataObject, is_released: bool) -> None:
        contract = data.draw(st.sampled_from(sorted(self.pool.leases)))
        if is_released:
            self.pool.release(contract, self.now)
        elif not self.pool.leases[contract].is_begun:
            self.pool.begin(contract, self.now)

    @precondition(lambda self: self.pool.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        self.pool.withdraw(data.draw(st.sampled_from(sorted(self.pool.waiting))))

    @invariant()
    def books_add_up_and_snapshots_hold(self) -> None:
        self.pool.audit(self.now)
        assert msgspec.json.decode(msgspec.json.encode(self.pool), type=Pool) == self.pool


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.permutations(["a/0", "b/0", "c/0", "d/0"]))
def test_order_of_releases_at_one_instant_does_not_matter(order: list[str]) -> None:
    pool = make()
    for contract in ("a/0", "b/0", "c/0", "d/0"):
        lease(pool, contract, 2)

    for contract in order:
        pool.release(ContractId(contract), Ticks(9))

    assert msgspec.json.encode(pool.idle) == b"[[0,1,2,3],[0,1,2,3]]"
    assert pool.returned_milli_ticks == 72_000


def test_preempted_work_waits_again_with_what_is_left_and_what_it_costs() -> None:
    pool = make()
    lease(pool, "ada/0", 4, at=10, duration=100)

    rest = pool.preempt(ADA, Ticks(40), cost=Ticks(7))

    assert (rest.duration, rest.served, rest.stopped_at) == (77, 30, 40)
    assert (rest.submitted_at, rest.waits_since) == (10, 40)
    assert pool.queue == [rest]
    assert pool.n_idle == 8


def test_only_what_runs_is_preempted() -> None:
    pool = make()
    lease(pool, "ada/0", 4, is_begun=False)

    with pytest.raises(InvariantError, match="what runs is preempted"):
        pool.preempt(ADA, Ticks(1))


def test_a_renewed_lease_ends_later_and_has_cost_more() -> None:
    pool = make()
    lease(pool, "ada/0", 4, duration=10)

    longer = pool.renew(ADA, duration=Ticks(5), price=Credits(3))

    assert (longer.ends_at, longer.price) == (15, 10)
    assert pool.expired(Ticks(14)) == []
    assert pool.expired(Ticks(15)) == [longer]


def test_a_lease_that_has_been_given_notice_is_not_renewed() -> None:
    pool = make()
    lease(pool, "ada/0", 4)
    pool.give_notice(ADA, Ticks(5))

    with pytest.raises(InvariantError, match="what runs is renewed"):
        pool.renew(ADA, duration=Ticks(5), price=Credits(3))


def test_a_lost_node_tears_down_every_gang_that_has_a_part_of_it_and_the_whole_gang() -> None:
    pool = make(nodes=3)
    lease(pool, "ada/0", 6)
    lease(pool, "bob/0", 3)

    torn = pool.lose(0, Ticks(5))

    assert [one.contract for one in torn] == ["ada/0"]
    assert list(pool.leases) == ["bob/0"]
    assert pool.idle == [[], [0, 1, 2, 3], [3]]
    pool.audit(Ticks(5))


def test_time_on_a_lost_node_is_neither_idle_nor_leased_until_it_is_back() -> None:
    pool = make()
    pool.lose(0, Ticks(10))
    pool.lose(0, Ticks(20))

    pool.restore(0, Ticks(30))
    pool.restore(0, Ticks(35))

    assert pool.usage(Ticks(40)) == Usage(
        offered=GpuTicks(320), leased=GpuTicks(0), idle=GpuTicks(240), away=GpuTicks(80)
    )
    pool.audit(Ticks(40))


def slice_of(pool: Pool, contract: str, milli: int, *, at: int = 0) -> Lease:
    asked = msgspec.structs.replace(request(contract, 0, at=at), milli=milli)
    pool.submit(asked)
    view = pool.view(Consolidate())
    takes = view.room().place(asked)
    assert takes is not None
    award = Award(request=asked, takes=takes, payment=Credits(7))
    return pool.grant(award, Ticks(at), is_begun=True)


def test_slices_share_a_gpu_up_to_the_whole_of_it() -> None:
    pool = make(nodes=1)
    first = slice_of(pool, "a/0", 600)

    second = slice_of(pool, "b/0", 400)
    third = slice_of(pool, "c/0", 400)

    assert first.device_names(pool.cluster) == ("node-0/3:600",)
    assert second.shares[0].gpus == first.shares[0].gpus != third.shares[0].gpus
    assert (pool.n_idle, pool.shared) == (2, {0: {3: 0, 2: 600}})
    pool.audit(Ticks(0))


def test_a_shared_gpu_is_idle_again_when_its_last_slice_ends() -> None:
    pool = make(nodes=1)
    for contract in ("a/0", "b/0"):
        slice_of(pool, contract, 500)

    pool.release(ContractId("a/0"), Ticks(10))
    pool.release(ContractId("b/0"), Ticks(20))

    assert (pool.idle, pool.shared) == ([[0, 1, 2, 3]], {})
    assert pool.usage(Ticks(20)).leased == 15
    pool.audit(Ticks(20))


def test_audit_finds_a_slice_that_exceeds_its_gpu() -> None:
    pool = make(nodes=1)
    slice_of(pool, "a/0", 600)
    pool.shared[0][3] = 500

    with pytest.raises(InvariantError, match="slices add up to their GPU"):
        pool.audit(Ticks(0))


def test_large_pools_are_audited_every_so_often() -> None:
    cluster = uniform_cluster(H100, nodes=10, gpus_per_node=8)
    pool = open_pool(cluster, reserve=Credits(0), now=Ticks(0))
    pool.idle[0].pop()

    for _ in range(9):
        pool.check(Ticks(0))

    with pytest.raises(InvariantError, match="no GPU twice"):
        pool.check(Ticks(0))


class AnyFate(RuleBasedStateMachine):
    """Whatever befalls gangs, slices and nodes, the audit passes and snapshots hold."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = make(nodes=3)
        self.now = Ticks(0)
        self.asked = 0

    @rule(gpus=st.integers(0, 12), duration=st.integers(1, 30), milli=st.integers(1, 999))
    def submit(self, gpus: int, duration: int, milli: int) -> None:
        asked = request(f"actor/{self.asked}", gpus, duration=duration, at=self.now)
        self.pool.submit(msgspec.structs.replace(asked, milli=0 if gpus else milli))
        self.asked += 1

    @rule(name=st.sampled_from(["fifo_skip", "max_min", "easy"]), is_begun=st.booleans())
    def play_round(self, name: str, is_begun: bool) -> None:
        rules = Rules(mechanism=mechanism(name), placement=Consolidate())
        play_round(self.pool, rules, self.now, is_begun=is_begun)

    @rule(ticks=st.integers(1, 20))
    def let_time_pass(self, ticks: int) -> None:
        until = Ticks(self.now + ticks)
        for over in self.pool.expired(until):
            self.pool.release(over.contract, over.ends_at)
        self.now = until

    @rule(node=st.integers(0, 2), is_lost=st.booleans())
    def change_node(self, node: int, is_lost: bool) -> None:
        if is_lost:
            self.pool.lose(node, self.now)
        else:
            self.pool.restore(node, self.now)

    @precondition(lambda self: any(lease.is_begun for lease in self.pool.leases.values()))
    @rule(data=st.data(), fate=st.sampled_from(["preempt", "renew", "notice"]))
    def touch_a_lease(self, data: st.DataObject, fate: str) -> None:
        running = sorted(one.contract for one in self.pool.leases.values() if one.is_begun)
        contract = data.draw(st.sampled_from(running))
        lease = self.pool.leases[contract]
        if fate == "preempt" and lease.ends_at > self.now:
            self.pool.preempt(contract, self.now, cost=Ticks(2))
        elif fate == "renew" and lease.stops_at is None:
            self.pool.renew(contract, duration=Ticks(3), price=Credits(1))
        elif fate == "notice":
            self.pool.give_notice(contract, self.now)

    @invariant()
    def books_add_up_and_snapshots_hold(self) -> None:
        self.pool.audit(self.now)
        decoded = msgspec.json.decode(msgspec.json.encode(self.pool), type=Pool)
        assert decoded == self.pool
        assert decoded.index.idle == self.pool.index.idle
        assert decoded.index.slices == self.pool.index.slices
        assert decoded.index.free == self.pool.index.free
        assert decoded.index.held == self.pool.index.held
        assert decoded.index.by_end == self.pool.index.by_end


TestAnyFate = AnyFate.TestCase
TestAnyFate.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
