"""CloudWatch Logs: the log groups and streams that functions write their lines to."""
