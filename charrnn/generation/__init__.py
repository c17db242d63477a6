"""Text generation from a model directory. On the CPU, torch is not imported."""
