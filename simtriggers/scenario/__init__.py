"""Scenarios: acts of the outside world at times, faults, and what is expected of the trace."""
