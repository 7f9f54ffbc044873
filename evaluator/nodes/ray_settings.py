"""How Ray is set up for measuring, on every machine alike: quiet, small, with tokens, and never clever.

Documentation: https://docs.ray.io/en/releases-2.60.0/cluster/cli.html and ray-security/token-auth.html
"""

import os

RESOURCE = "fweval"  # of each machine one; whatever measures takes all of it, the rest a share
LABEL = "fweval-name"  # what a machine is called
PORT = 6379
LEAST_STORE_BYTES = 80_000_000  # files pass in pieces
_LOST_AFTER = {  # five seconds without a sign of life
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "5",
}


def of_nodes() -> dict[str, str]:
    """Return what the environment of Ray's processes says.

    Its workers would be nicer than what people run, by 15, and so would all that is measured below them. Its memory
    monitor would end a search for the least memory (ray-project/ray#27384), and must be told on each machine. Workers
    that wait are kept, one for each core: to start one takes seconds. Usage reports would be sent. What is lost is to
    be noticed soon, also the head by the others.
    """
    return {
        "RAY_worker_niceness": "0",
        "RAY_agent_register_timeout_ms": "120000",
        "RAY_kill_child_processes_on_worker_exit": "false",  # ours ends by itself, and leaves nothing
        "RAY_idle_worker_killing_time_threshold_ms": "3600000",
        "RAY_num_workers_soft_limit": str(os.cpu_count() or 1),
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
        "RAY_AUTH_MODE": "token",
        **_LOST_AFTER,
    }


def of_drivers() -> dict[str, str]:
    """Return what the environment of whoever reaches a cluster says: a wrong token is tried once, not twenty times."""
    return {
        "RAY_NUM_REDIS_GET_RETRIES": "1",
        "RAY_gcs_rpc_server_connect_timeout_s": "3",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
        "RAY_AUTH_MODE": "token",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
