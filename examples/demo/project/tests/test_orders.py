"""The demo's own test: the pytest fixture, and the handler's module patched as usual."""

from unittest import mock

import handlers


def test_a_poison_order_ends_in_the_dead_letter_queue(simtriggers):
    simtriggers.send("orders", {"id": 7, "quantity": 0})
    simtriggers.run_until_idle()
    simtriggers.expect(messages={"queue": "orders-dlq", "count": 1})
    simtriggers.expect(invocations={"function": "ship", "count": 3})


def test_a_handler_is_the_imported_module(simtriggers):
    with mock.patch.object(handlers, "unquote_plus", return_value="renamed.csv") as patched:
        simtriggers.put("uploads", "a.csv", "x")
        simtriggers.run_until_idle()
    assert patched.call_count == 1
    simtriggers.expect("nothing_lost")
