"""SQS: queues, visibility timeouts, long polls, redrive to a dead-letter queue and retention."""
