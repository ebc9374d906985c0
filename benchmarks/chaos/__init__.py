"""Chaos: a real city under random faults, measured against what had to arrive and what was true.

`benchmarks.chaos.campaign` runs it. Everything is watched from outside of the city: outbox files
are read by another process than their owner, and what a camera really gave is known by its server.
"""
