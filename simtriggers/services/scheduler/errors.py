"""What EventBridge Scheduler answers when it refuses, in its words.

Source: Amazon EventBridge Scheduler API Reference, the errors of each operation; the texts of what does not
exist or exists already as emulators took them from AWS. Unverified: every text that says so.
"""

from __future__ import annotations

from ...aws.member_types import NOT_NULL
from ...kernel.effects import Refused


def invalid(message: str) -> Refused:
    """ValidationException with a text of its own."""
    return Refused("ValidationException", message)


def constraint(shown: object, member: str, rule: str) -> Refused:
    """ValidationException for a member outside of what the API's model allows."""
    return invalid(f"1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: {rule}")


def absent(member: str) -> Refused:
    """ValidationException for a member that the API's model requires."""
    return invalid(f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: {NOT_NULL}")


def no_such_schedule(name: str) -> Refused:
    """There is no schedule of that name in the group."""
    return Refused("ResourceNotFoundException", f"Schedule {name} does not exist.", status=404)


def no_such_group(name: str) -> Refused:
    """There is no group of that name."""
    return Refused("ResourceNotFoundException", f"Schedule group {name} does not exist.", status=404)


def schedule_exists(name: str) -> Refused:
    """A schedule of that name is in the group already."""
    return Refused("ConflictException", f"Schedule {name} already exists.", status=409)


def group_exists(name: str) -> Refused:
    """There is a group of that name already. Unverified: the text."""
    return Refused("ConflictException", f"Schedule group {name} already exists.", status=409)


def default_group_stays() -> Refused:
    """The default group cannot be deleted. Unverified: the text."""
    return invalid("The default schedule group cannot be deleted.")


def not_simulated(what: str) -> Refused:
    """AWS does this, and simtriggers does not."""
    return Refused("UnsupportedOperation", f"{what} is not supported by simtriggers.")
