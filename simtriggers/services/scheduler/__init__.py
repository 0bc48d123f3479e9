"""EventBridge Scheduler: schedules in groups, each with one target, time zones, windows and dates."""
