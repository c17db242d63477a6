"""Training in several processes that torchrun has started."""
