"""EventBridge: rules that fire on a schedule and deliver the Scheduled Event to their targets."""
