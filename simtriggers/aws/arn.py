"""ARNs: how they are built and what can be read off them. No lookup, no validation of existence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Names:
    """Builds the ARNs of one account and region."""

    account: str = "123456789012"
    region: str = "us-east-1"

    def queue(self, name: str) -> str:
        """`arn:aws:sqs:REGION:ACCOUNT:NAME`."""
        return f"arn:aws:sqs:{self.region}:{self.account}:{name}"

    def queue_url(self, name: str) -> str:
        """`https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`."""
        return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{name}"

    def topic(self, name: str) -> str:
        """`arn:aws:sns:REGION:ACCOUNT:NAME`."""
        return f"arn:aws:sns:{self.region}:{self.account}:{name}"

    def bucket(self, name: str) -> str:
        """`arn:aws:s3:::NAME`: no region and no account."""
        return f"arn:aws:s3:::{name}"

    def function(self, name: str) -> str:
        """`arn:aws:lambda:REGION:ACCOUNT:function:NAME`, unqualified."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{name}"

    def event_source_mapping(self, uuid: str) -> str:
        """`arn:aws:lambda:REGION:ACCOUNT:event-source-mapping:UUID`."""
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{uuid}"

    def event_bus(self, name: str = "default") -> str:
        """`arn:aws:events:REGION:ACCOUNT:event-bus/NAME`."""
        return f"arn:aws:events:{self.region}:{self.account}:event-bus/{name}"

    def rule(self, name: str, bus: str = "default") -> str:
        """`arn:aws:events:REGION:ACCOUNT:rule/NAME`, or `rule/BUS/NAME` on another bus than the default one."""
        place = name if bus == "default" else f"{bus}/{name}"
        return f"arn:aws:events:{self.region}:{self.account}:rule/{place}"

    def archive(self, name: str) -> str:
        """`arn:aws:events:REGION:ACCOUNT:archive/NAME`."""
        return f"arn:aws:events:{self.region}:{self.account}:archive/{name}"

    def replay(self, name: str) -> str:
        """`arn:aws:events:REGION:ACCOUNT:replay/NAME`."""
        return f"arn:aws:events:{self.region}:{self.account}:replay/{name}"

    def connection(self, name: str) -> str:
        """`arn:aws:events:REGION:ACCOUNT:connection/NAME/UUID`; the UUID follows from the name."""
        return self._numbered("connection", name)

    def api_destination(self, name: str) -> str:
        """`arn:aws:events:REGION:ACCOUNT:api-destination/NAME/UUID`; the UUID follows from the name."""
        return self._numbered("api-destination", name)

    def _numbered(self, kind: str, name: str) -> str:
        start = f"arn:aws:events:{self.region}:{self.account}:{kind}/{name}"
        raw = blake2b(start.encode(), digest_size=16).hexdigest()
        return f"{start}/{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"

    def schedule(self, name: str, group: str = "default") -> str:
        """`arn:aws:scheduler:REGION:ACCOUNT:schedule/GROUP/NAME`: a schedule of EventBridge Scheduler."""
        return f"arn:aws:scheduler:{self.region}:{self.account}:schedule/{group}/{name}"

    def schedule_group(self, name: str) -> str:
        """`arn:aws:scheduler:REGION:ACCOUNT:schedule-group/NAME`."""
        return f"arn:aws:scheduler:{self.region}:{self.account}:schedule-group/{name}"

    def log_group(self, name: str) -> str:
        """`arn:aws:logs:REGION:ACCOUNT:log-group:NAME`."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{name}"

    def service(self, service: str) -> str:
        """The address of a service itself, for what concerns all its resources (a restart)."""
        return f"arn:aws:{service}:{self.region}:{self.account}:*"


@lru_cache(maxsize=4096)
def service_of(arn: str) -> str:
    """The third part: `sqs` of a queue's ARN. Raises ValueError for a text that is no ARN."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise ValueError(f"{arn!r} is not an ARN")
    return parts[2]


@lru_cache(maxsize=4096)
def name_of(arn: str) -> str:
    """The resource's own name: the last part, after `:` or `/`; a log group keeps its slashes."""
    rest = arn.split(":", 5)[5]
    if rest.startswith("log-group:"):
        return rest.removeprefix("log-group:").split(":", 1)[0]
    if rest.startswith("function:"):
        return rest.split(":")[1]
    if rest.startswith(("connection/", "api-destination/")):
        return rest.split("/")[1]
    return rest.rsplit(":", 1)[-1].rsplit("/", 1)[-1]


@lru_cache(maxsize=4096)
def region_and_account(arn: str) -> tuple[str, str]:
    """Fourth and fifth part; empty for a bucket."""
    parts = arn.split(":", 5)
    return parts[3], parts[4]
