"""Torture: what a hard life does to runs and models, and what must survive it.

Each module here has functions that hurt something `count` times and report what broke; the suite
calls them with small counts (test_torture.py), `python -m tests.torture` with large ones.
"""
