"""Effective training time: closed forms to hold a simulated run against.

The effective training time ratio (ETTR) is the share of wall time whose work is kept. With
interruptions at rate ``r`` per second, ``u0`` seconds from each until training goes on, and ``w``
seconds of standstill per checkpoint every ``dt`` seconds, to first order

    ETTR = (1 - r (u0 + dt / 2)) / (1 + w / dt),    best at  dt = sqrt(2 w / r).

Source: Kokolis et al. (arXiv:2410.21680); the interval is J. W. Young's (CACM 17:9, 1974).
"""

import math
from collections.abc import Sequence

from swarm.comms.messages import incident
from swarm.gpu.diagnosis import Rule, diagnose
from swarm.gpu.faults.categories import CATEGORIES, Category, Signature
from swarm.gpu.faults.hazard import Hazard
from swarm.gpu.site import Site
from swarm.kernel.message import ActorId
from swarm.units import DAY

_MAX_ATTEMPTS = 8
"""Trouble that eight attempts do not end is left out; with the table here it is one in 10,000."""


def expected_ratio(
    *, per_day: float, downtime_s: float, interval_s: float, checkpoint_s: float
) -> float:
    """Returns the first-order ETTR, at least 0; see the module's docstring.

    Args:
        per_day: Interruptions a day, in wall time.
        downtime_s: Mean time from an interruption until training goes on.
        interval_s: Computing between checkpoints.
        checkpoint_s: Standstill of one checkpoint.
    """
    lost = per_day / DAY * (downtime_s + interval_s / 2)
    return max(0.0, 1 - lost) / (1 + checkpoint_s / interval_s)


def renewal_ratio(
    *, per_day: float, downtime_s: float, interval_s: float, checkpoint_s: float
) -> float:
    """Returns the exact ETTR of Poisson interruptions that spare the downtime.

    It agrees with the first order where interruptions are rare.

    Source: J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart
    dumps" (FGCS 22, 2006): a stretch of ``dt + w`` takes ``(1 / r + u0) (exp(r (dt + w)) - 1)``.
    """
    rate = per_day / DAY
    if not rate:
        return 1 / (1 + checkpoint_s / interval_s)
    takes = (1 / rate + downtime_s) * math.expm1(rate * (interval_s + checkpoint_s))
    return interval_s / takes


def best_interval_s(*, per_day: float, checkpoint_s: float) -> int:
    """Returns Young's interval between checkpoints in whole seconds; a day at most, 1 at least."""
    if per_day <= 0:
        return int(DAY)
    return max(1, min(int(DAY), round(math.sqrt(2 * checkpoint_s * DAY / per_day))))


def expected_downtime_s(
    hazard: Hazard, *, nodes: int, site: Site, table: Sequence[Rule], latency_s: int = 1
) -> float:
    """Returns the mean time an interruption costs beside the work that is computed again.

    It follows the decision table for every way in which every category shows: how long until it
    is noticed, looked through and acted upon, and what happens if the first guess was wrong. It
    knows nothing of incidents that meet, of devops who are busy, or of spares that run out.

    Args:
        hazard: What happens, and how often.
        nodes: Size of the run.
        site: How long things take.
        table: What is done about it.
        latency_s: Time of a message.
    """
    total = 0.0
    for name, share in hazard.run_shares(nodes).items():
        category = CATEGORIES[name]
        weights = sum(one.weight for one in category.signatures)
        for signature in category.signatures:
            cost = _cost(category, signature, site=site, table=table, latency_s=latency_s)
            total += share * signature.weight / weights * cost
    return total


def _cost(
    category: Category, signature: Signature, *, site: Site, table: Sequence[Rule], latency_s: int
) -> float:
    """Follows one fault through its attempts."""
    symptoms = _symptoms(signature, site)
    probability, total = 1.0, 0.0
    for attempts in range(_MAX_ATTEMPTS):
        verdict = diagnose(table, symptoms, attempts=attempts)
        acting, cured = {
            "retry": (0.0, 0.0),
            "reboot": (site.swap_s, 1.0),
            "replace": (site.swap_s, 1.0),
            "drain": (site.swap_s + site.checkpoint_s, 1.0),
            "sweep": (site.sweep_s + site.test_finds * site.swap_s, site.test_finds),
            "roll_back": (site.sweep_s + site.test_finds * site.swap_s, site.test_finds),
            "human": (site.human_s + site.human_work_s + site.swap_s, 1.0),
        }[verdict.action]
        if category.place == "job":
            cured = 1.0
            acting -= site.swap_s if verdict.action == "human" else 0
        messages = 6 * latency_s
        noticing = _noticed_s(symptoms, site) + site.gather_s + site.diagnosis_s + messages
        if signature.effect == "slow":
            slow = noticing + max(0.0, acting - site.swap_s)
            down = slow * (1 - site.slow_share) + site.checkpoint_s + site.swap_s
        else:
            down = noticing + acting
        total += probability * (down + site.restart_s)
        probability *= 1 - cured
        if not probability:
            break
    return total


def _symptoms(signature: Signature, site: Site) -> tuple[incident.Symptom, ...]:
    run = ActorId("run-0")
    own = {
        "crash": incident.Symptom(run=run, kind="exited"),
        "hang": incident.Symptom(run=run, kind="traffic_stopped"),
        "slow": incident.Symptom(run=run, kind="throughput_low", value=site.slow_share),
        "corrupt": incident.Symptom(run=run, kind="loss_not_finite"),
    }[signature.effect]
    signs = (
        incident.Symptom(run=run, kind=kind, node=0, value=code) for kind, code in signature.signs
    )
    return (own, *signs)


def _noticed_s(symptoms: Sequence[incident.Symptom], site: Site) -> float:
    """Returns when the first of these is worth an alarm, in seconds from the fault."""
    waits = {
        "traffic_stopped": site.hang_rule_s,
        "throughput_low": site.slow_window_s,
        "loss_not_finite": site.corrupt_notice_s,
        "heartbeat_lost": site.heartbeat_timeout_s,
    }
    return min(waits.get(one.kind, 0) for one in symptoms)
