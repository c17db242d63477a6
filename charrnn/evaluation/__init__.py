"""Loss, baselines and metrics of models on texts."""
