"""Curves of trainings, drawn from their metrics.jsonl alone."""
