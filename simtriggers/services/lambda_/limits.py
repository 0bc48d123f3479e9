"""Lambda's numbers, as data. Source: AWS Lambda Developer Guide, "Lambda quotas" and the API reference."""

from __future__ import annotations

MIB = 1024 * 1024

TIMEOUT_S = (1, 900)
MEMORY_MB = (128, 10_240)
ENVIRONMENT_BYTES = 4096
SYNC_PAYLOAD_BYTES = 6 * MIB
ASYNC_PAYLOAD_BYTES = MIB
RESPONSE_BYTES = 6_291_556
CLIENT_CONTEXT_BYTES = 3583

ACCOUNT_CONCURRENCY = 1000
MINIMUM_UNRESERVED = 100

MAXIMUM_RETRY_ATTEMPTS = (0, 2)
MAXIMUM_EVENT_AGE_S = (60, 21_600)
RETRY_DELAY_MS = 60_000
"""After the first failure; twice that after the second."""
THROTTLE_BASE_MS, THROTTLE_CAP_MS = 1000, 300_000

BATCH_SIZE = (1, 10_000)
BATCH_SIZE_WITHOUT_WINDOW = 10
BATCHING_WINDOW_S = (0, 300)
MAXIMUM_CONCURRENCY = (2, 1000)
INITIAL_CONCURRENT_BATCHES = 5
LEAST_CONCURRENT_BATCHES = 2
MOST_CONCURRENT_BATCHES = 1250
ADDED_BATCHES_A_MINUTE = 300
MINIMUM_POLLERS = (2, 200)
"""Of the Developer Guide; the API's own model takes 1 as well."""
MAXIMUM_POLLERS = (2, 10_000)
DEFAULT_POLLERS = (2, 200)
BATCHES_OF_A_POLLER = 10
PROVISIONED_BATCHES_A_MINUTE = 1000
FILTERS, FILTERS_WITH_QUOTA = 5, 10
FILTER_CHARACTERS = 4096
WINDOW_VISIBILITY_MARGIN_MS = 30_000

IDLE_ENVIRONMENT_MS = 600_000
"""Unverified: AWS does not say for how long an idle execution environment is kept; minutes are seen."""

RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Variables that a function's configuration cannot set (Lambda Developer Guide, "Working with environment
variables")."""
