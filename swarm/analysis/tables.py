"""The tables of a run, as SQL over its message log; all times and spans are ticks.

``told`` is what the other queries read: the log with what carriers carried unwrapped where it
arrived, so that a lab without service edges gives the same tables. Each table is a view as well.
Casts are tried: a filter of an aggregate does not keep other kinds' fields from being cast.
"""

VIEWS = """
create view messages as
select
    file_row_number + shift as seq,
    (src::bigint << 32) + counter as id,
    s.due, s.phase, sent, src, dst, counter,
    a.actor as sender, b.actor as recipient,
    kind, cause, contract, payload
from segments s
join shifts h on h.file = s.file_index and h.due = s.due and h.phase = s.phase
left join actors a on a.rank = src
left join actors b on b.rank = dst;

create view journal as
select
    j.id, j.request, j.due, a.actor, j.sort, answer->>'type' as kind, j.answer as payload
from records j left join actors a on a.rank = j.rank;

create view told as
select seq, id, due, phase, sent, sender, recipient, kind, cause, contract, payload
from messages where kind <> 'subcontract.carry'
union all
select
    seq, id, due, phase, sent, payload->>'origin', recipient,
    (payload->>'payload')->>'type', cause, contract, payload->>'payload'
from messages where kind = 'subcontract.carry' and (payload->>'to') = recipient;
"""

MESSAGES = "select * from messages order by seq"

CONTRACTS = """
with steps as (
    select
        contract,
        min(sender) filter (kind = 'contract_net.cfp') as initiator,
        min(payload->>'task') filter (kind = 'contract_net.cfp') as task,
        min(recipient) filter (kind = 'contract_net.accept') as winner,
        min(try_cast(payload->>'price' as bigint)) filter (kind = 'contract_net.accept') as price,
        min(sent) filter (kind = 'contract_net.cfp') as opened,
        min(due) filter (kind = 'contract_net.bidding_closed') as bidding_closed,
        min(sent) filter (kind = 'treasury.release') as released,
        bool_or(try_cast(payload->>'is_accepted' as boolean))
            filter (kind = 'treasury.release') as is_paid,
        min(due) filter (kind = 'contract_net.inform_result') as informed,
        min(due) filter (kind = 'contract_net.failure') as failed,
        min(sent) filter (kind = 'contract_net.cancel') as cancelled,
        min(due) filter (kind = 'treasury.denied') as denied
    from told where contract is not null group by contract
)
select
    contract, initiator, task, winner, price, opened,
    case
        when released is not null then released
        when winner is null then bidding_closed
        else least(failed, cancelled, denied)
    end as closed,
    case
        when is_paid then 'accepted'
        when failed is not null then 'failed'
        when cancelled is not null then 'cancelled'
        when denied is not null then 'denied'
        when released is not null and informed is not null then 'rejected'
        when released is not null then 'overdue'
        when informed is not null then 'informed'
        when winner is not null then 'working'
        when bidding_closed is not null then 'no_proposal'
        else 'bidding'
    end as outcome
from steps where initiator is not null order by opened, contract
"""
"""One row per call for proposals. ``informed``, ``working`` and ``bidding`` are not closed yet."""

LEASES = """
with steps as (
    select
        contract,
        min(sender) filter (kind = 'lease.request') as holder,
        min(try_cast(payload->>'gpus' as bigint)) filter (kind = 'lease.request') as gpus,
        min(try_cast(payload->>'duration' as bigint)) filter (kind = 'lease.request') as duration,
        min(try_cast(payload->>'bid' as bigint)) filter (kind = 'lease.request') as bid,
        min(payload->>'purpose') filter (kind = 'lease.request') as purpose,
        min(due) filter (kind = 'lease.request') as requested,
        min(sent) filter (kind = 'lease.granted') as granted,
        min(try_cast(payload->>'price' as bigint)) filter (kind = 'lease.granted') as price,
        min(try_cast(payload->'gpus' as varchar[])) filter (kind = 'lease.granted') as devices,
        min(due) filter (kind = 'lease.release') as released,
        min(sent) filter (kind = 'lease.ended') as expired,
        min(sent) filter (kind = 'lease.refused') as refused
    from told where contract is not null and kind like 'lease.%' group by contract
)
select
    contract, holder, gpus, duration, bid, purpose, requested, granted,
    coalesce(least(released, expired), refused) as ended,
    price, granted - requested as wait, devices,
    case
        when granted is null and refused is not null then 'refused'
        when granted is null and released is not null then 'withdrawn'
        when granted is null then 'pending'
        when released is not null and (expired is null or released <= expired) then 'released'
        when expired is not null then 'expired'
        else 'running'
    end as outcome
from steps where holder is not null order by requested, contract
"""
"""One row per request. Times are the broker's, so ``wait`` leaves the latency of edges out."""

JOBS = """
select
    q.id, q.seq, q.sender as actor, q.kind as tag, q.payload as spec, q.due as ordered,
    a.due, a.kind as result, a.payload as answer
from messages q
left join messages a on a.phase = 0 and a.src = q.src and a.cause = q.id
where q.phase = 3 and q.kind not like 'kernel.%' and q.kind not like 'mind.%'
order by q.seq
"""
"""One row per job; ``result`` is the kind of its answer, null while none has come."""

PARTS = """
select
    min(sent) as tick,
    case when kind = 'ship.swapped' then 'swap' else 'rollback' end as event,
    payload->>'part' as part,
    payload->>'author' as author,
    payload->>'replicator' as replicator,
    try_cast(payload->>'gain_bpb' as double) as gain_bpb,
    try_cast(payload->>'gain_low_bpb' as double) as gain_low_bpb,
    try_cast(payload->>'gain_high_bpb' as double) as gain_high_bpb,
    try_cast(payload->>'n_replications' as bigint) as n_replications,
    coalesce(payload->>'old_hash', payload->>'from_hash') as old_hash,
    coalesce(payload->>'new_hash', payload->>'to_hash') as new_hash,
    payload->>'value' as value,
    payload->>'reason' as reason,
    contract
from told where kind in ('ship.swapped', 'ship.rolled_back')
group by kind, payload, contract order by tick, min(seq)
"""
"""Swaps and rollbacks, once each however many actors were told."""

METRICS = """
with hours as (
    select unnest(range((select max(due) // 3600 + 1 from messages))) as hour
),
ends as (select max(due) + 1 as over from messages),
delivered as (select due // 3600 as hour, count(*) as n from messages group by 1),
ordered as (
    select due // 3600 as hour, count(*) as n from messages
    where phase = 3 and kind not like 'kernel.%' and kind not like 'mind.%' group by 1
),
spans as (
    select h.hour, gpus * (
        least(coalesce(ended, over), (h.hour + 1) * 3600) - greatest(granted, h.hour * 3600)
    ) as gpu_ticks
    from hours h, ends, leases
    where granted < (h.hour + 1) * 3600 and coalesce(ended, over) > h.hour * 3600
),
leased as (select hour, sum(gpu_ticks) as gpu_ticks from spans group by 1),
announced as (
    select
        sent // 3600 as hour,
        arg_max(list_avg(try_cast(payload->'base_bpb' as double[])), seq) as base_bpb
    from told where kind = 'ship.announced' group by 1
)
select
    h.hour,
    coalesce(delivered.n, 0) as messages,
    coalesce(ordered.n, 0) as jobs,
    coalesce(gpu_ticks, 0) / least(3600, over - h.hour * 3600) as gpus_leased,
    last_value(base_bpb ignore nulls) over (order by h.hour) as base_bpb
from hours h cross join ends
left join delivered using (hour) left join ordered using (hour)
left join leased using (hour) left join announced using (hour)
order by h.hour
"""
"""One row per virtual hour; ``gpus_leased`` is the mean over the hour, ``base_bpb`` the latest."""

TABLES = {
    "contracts": CONTRACTS,
    "leases": LEASES,
    "jobs": JOBS,
    "parts": PARTS,
    "metrics": METRICS,
}
"""In this order: metrics reads leases."""
