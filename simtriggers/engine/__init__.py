"""The engine: takes entries from the agenda, steps the service they are for, and applies what it decides."""
