"""The services of a simulator, in one list. A new service is a folder and a line here."""

from __future__ import annotations

from .kernel.service import Service
from .services.eventbridge.service import SERVICE as EVENTBRIDGE
from .services.lambda_.service import SERVICE as LAMBDA
from .services.logs.service import SERVICE as LOGS
from .services.s3.service import SERVICE as S3
from .services.scheduler.service import SERVICE as SCHEDULER
from .services.sns.service import SERVICE as SNS
from .services.sqs.service import SERVICE as SQS

SERVICES: list[Service] = [S3, SQS, SNS, LAMBDA, EVENTBRIDGE, SCHEDULER, LOGS]
