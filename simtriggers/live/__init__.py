"""Live running: watched folders, the local endpoint and the driver that waits for the wall clock."""
