"""Probabilistic forecasts of time series."""
