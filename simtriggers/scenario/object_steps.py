"""The steps of a scenario that act on a bucket's objects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..aws.quantities import Bytes, Settings
from ..services.s3.lifecycle_rules import StorageClass


class PutObjectStep(Settings):
    """Put an object: its content is `body`, or the bytes of `file` (relative to the scenario), or `size`
    zero bytes. Without any it is empty. JSON values are written as compact JSON. With `if_none_match` only
    if there is no such object."""

    bucket: str
    key: str
    body: Any = None
    file: str | None = None
    size: Annotated[Bytes, Field(ge=0, le=100 * 1024**2)] | None = None
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    storage_class: StorageClass = "STANDARD"
    if_none_match: bool = False

    @model_validator(mode="after")
    def _one_content(self) -> PutObjectStep:
        if sum(each is not None for each in (self.body, self.file, self.size)) > 1:
            raise ValueError("body, file and size exclude each other; write one of them")
        return self


class DeleteObjectStep(Settings):
    """Delete an object, or one version of it."""

    bucket: str
    key: str
    version_id: str = ""


class CopyObjectStep(Settings):
    """Copy an object to `key` of `bucket`, from `source_key` of `source_bucket` or of the same bucket."""

    bucket: str
    key: str
    source_key: str
    source_bucket: str | None = None


class TagObjectStep(Settings):
    """Give an object these tags and no others."""

    bucket: str
    key: str
    tags: dict[str, str] = Field(min_length=1)


class UntagObjectStep(Settings):
    """Take an object's tags away."""

    bucket: str
    key: str


class RestoreObjectStep(Settings):
    """Have a temporary copy of an archived object made, for so many days."""

    bucket: str
    key: str
    days: Annotated[int, Field(ge=1, strict=True)]
    tier: Literal["Standard", "Bulk", "Expedited"] = "Standard"
