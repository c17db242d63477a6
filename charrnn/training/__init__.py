"""Training: plans, training loops and checkpoints."""
