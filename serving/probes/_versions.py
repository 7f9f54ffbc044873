"""What a change of the answering version has in common, forward or back."""

import time
from collections.abc import Callable

from serving.contract import Admin
from serving.life import Service
from serving.probes._under_load import during
from serving.probing import Field, Reply, failed, passed


def changed(field: Field, service: Service, admin: Admin, change: Callable[[Admin], None], version: int) -> Reply:
    """Change the version under load: it must answer then, and no request may fail meanwhile."""

    def timed() -> float:
        begin = time.perf_counter()
        change(admin)
        return time.perf_counter() - begin

    seconds, noticed = during(field, service, timed)
    answering = admin.answering()
    figures = {"change_s": seconds, "answering_version": answering, **noticed.figures()}
    if answering != version or noticed.failed:
        reason = f"after {seconds:.2f} s version {answering} answered; {noticed.summary()}"
        return failed(reason, "change versions by fresh instances behind a load balancer", **figures)
    return passed(
        f"version {version} answered after {seconds:.2f} s; {noticed.summary()}, "
        f"the longest gap between answers was {noticed.longest_gap_s:.3f} s",
        **figures,
    )
