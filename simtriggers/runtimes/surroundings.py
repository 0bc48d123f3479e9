"""The environment variables of a handler: its own, and those that keep it away from real credentials.

Pure. No runtime hands on a variable of the machine but PATH.
"""

from __future__ import annotations

from ..aws.contracts import Start

SANDBOX_HOME = "/home/sbx_user1051"
"""The home folder on Lambda, where there are no credentials. Does not exist on this machine."""

_CLOSED_ENDPOINT = "http://127.0.0.1:9"
_MADE_UP = {
    "AWS_ACCESS_KEY_ID": "ASIASIMTRIGGERSFAKE0",
    "AWS_SECRET_ACCESS_KEY": "simtriggers/not/a/real/secret/key0000000",
    "AWS_SESSION_TOKEN": "simtriggers-not-a-real-session-token",
}


def guards(home: str) -> dict[str, str]:
    """Variables that no function may change: no profile, no metadata service, no endpoint that listens."""
    return {
        "HOME": home,
        "AWS_CONFIG_FILE": f"{home}/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{home}/.aws/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": _CLOSED_ENDPOINT,
        "AWS_MAX_ATTEMPTS": "1",
    }


def variables(start: Start, *, home: str) -> dict[str, str]:
    """All variables that the handler sees. The code's folder is where it really is, so that what a
    function reads below LAMBDA_TASK_ROOT is found."""
    folder = {"LAMBDA_TASK_ROOT": start.code.code_uri, "PWD": start.code.code_uri}
    return {**_MADE_UP, **dict(start.environment), **folder, **guards(home)}


def process_variables(start: Start, *, home: str, folder: str, path: str) -> dict[str, str]:
    """The variables of a subprocess: `folder` is its own temporary one, `path` the machine's PATH.

    Lambda's library path is left out: it would put the machine's libraries before the interpreter's own.
    """
    found = variables(start, home=home)
    if found.get("LD_LIBRARY_PATH", "").startswith("/var/lang/"):
        del found["LD_LIBRARY_PATH"]
    own = found.get("PATH", "")
    found["PATH"] = f"{own}:{path}" if own else path
    return {**found, "TMPDIR": folder}
