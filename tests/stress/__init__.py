"""Stress tests: killed trainings, failing disks, hostile files, and what must survive them.

Each module has functions that do harm `count` times and report what broke. The suite calls them
with small counts (test_durable.py, test_lasting.py and test_safe.py), `python -m tests.stress` with
large ones.
"""
