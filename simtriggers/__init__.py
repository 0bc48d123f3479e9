"""simtriggers runs event-driven AWS Lambda functions here: live on folders and queues, or in virtual time."""

__version__ = "0.1.0"
