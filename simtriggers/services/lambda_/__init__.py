"""Lambda: functions, their environments and invocations, asynchronous retries and event source mappings."""
