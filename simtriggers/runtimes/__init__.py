"""Runtimes: how a handler is run, in this process, in a subprocess of its own, or as a scripted stub."""
