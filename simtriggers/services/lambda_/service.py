"""The lambda service as the engine sees it."""

from __future__ import annotations

from ...aws.contracts import Delivery, Ended, Polled, PutResource, Ran, RemoveResource, Run
from ...kernel.effects import Refused
from ...kernel.service import Rule, Service
from . import asynchronous, describing, functions, invocations, outcomes, polling, resources, settings, settling, store
from .commands import GetEventSourceMapping, PollAgain, RetryBatch, RetryEvent, ScaleUp, WindowEnded

SERVICE = Service(
    name="lambda",
    rules={
        PutResource: Rule(resources.view_put, resources.decide_put),
        RemoveResource: Rule(resources.view_remove, resources.decide_remove),
        Run: Rule(invocations.view_admission, invocations.decide_run),
        Delivery: Rule(invocations.view_admission, invocations.decide_delivery),
        RetryEvent: Rule(asynchronous.view_retry, asynchronous.decide_retry),
        Ended: Rule(outcomes.view_ended, outcomes.decide_ended),
        Polled: Rule(polling.view_mapping, polling.decide_polled),
        WindowEnded: Rule(polling.view_mapping, polling.decide_window_ended),
        PollAgain: Rule(polling.view_mapping, polling.decide_poll_again),
        ScaleUp: Rule(polling.view_mapping, polling.decide_scale_up),
        GetEventSourceMapping: Rule(describing.view_get, describing.decide_get),
        Ran: Rule(settling.view_answer, settling.decide_ran),
        Refused: Rule(settling.view_answer, settling.decide_refused),
        RetryBatch: Rule(settling.view_retry_batch, settling.decide_retry_batch),
    },
    migrations=(store.MIGRATION_1, store.MIGRATION_2, store.MIGRATION_3),
    parsers={settings.FUNCTION: settings.parse_function, settings.MAPPING: settings.parse_mapping},
    describe=resources.describe,
    restarted=Rule(functions.view_restarted, functions.decide_restarted),
    invariants=store.INVARIANTS,
    payload_columns=(
        ("lambda_invocations", "payload"),
        ("lambda_invocations", "response"),
        ("lambda_batches", "payload"),
    ),
    bookkeeping={"LogLines": (), "MappingScaled": (), "RecordsFiltered": ()},
)
