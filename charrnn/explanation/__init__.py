"""Explanations of a model's output."""
