"""SNS: topics that hand one message to functions, queues, HTTP endpoints and people."""
