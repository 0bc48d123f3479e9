"""What EventBridge answers when it refuses, in AWS's words.

Source: Amazon EventBridge API Reference, and answers recorded from AWS; texts that neither settles are marked.
"""

from __future__ import annotations

from ...aws.arn import name_of
from ...kernel.effects import Refused


def validation(message: str) -> Refused:
    """A parameter that is wrong."""
    return Refused("ValidationException", message)


def constraint(shown: object, member: str, rule: str) -> Refused:
    """A parameter outside of what the API's model allows."""
    text = f"1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: {rule}"
    return validation(text)


def absent(member: str) -> Refused:
    """A member that the API's model requires, and that the request does not have."""
    rule = "Member must not be null"
    return validation(f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: {rule}")


def parameter(name: str, reason: str = "") -> Refused:
    """A parameter that is not valid, for a reason if AWS names one."""
    return validation(f"Parameter {name} is not valid.{f' Reason: {reason}' if reason else ''}")


def missing(*names: str) -> Refused:
    """Parameters of which one is needed."""
    return validation(f"Parameter(s) {' or '.join(names)} must be specified.")


def limit_exceeded() -> Refused:
    """More than AWS allows of something."""
    return Refused("LimitExceededException", "The requested resource exceeds the maximum number allowed.")


def not_found(what: str) -> Refused:
    """Something that is not there; `what` is the whole of AWS's sentence."""
    return Refused("ResourceNotFoundException", what)


def no_such_bus(name: str) -> Refused:
    """There is no such bus."""
    return not_found(f"Event bus {name} does not exist.")


def no_such_rule(name: str, bus: str) -> Refused:
    """There is no such rule."""
    return not_found(f"Rule {name} does not exist on EventBus {bus}.")


def already_exists(what: str) -> Refused:
    """A name that is taken; `what` is AWS's noun with the name."""
    return Refused("ResourceAlreadyExistsException", f"{what} already exists.")


def not_supported(what: str) -> Refused:
    """Something that AWS can do and this simulator not: never accepted and ignored."""
    return Refused("UnsupportedOperation", f"{what} is not supported by simtriggers yet.")


def no_such_target(arn: str) -> Refused:
    """A delivery to something that is not there, in one sentence for the trace."""
    return Refused("ResourceNotFoundException", f"{name_of(arn)} does not exist.", status=404)
