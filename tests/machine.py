"""A machine with known speeds, for tests of plans: nothing is measured."""

from charrnn.training.recipe import Machine

MACHINE = Machine(
    device="cpu",
    precision="fp32",
    kernel="fused",
    threads=2,
    step_seconds=0.01,
    evaluation_speed=200_000,
    save_seconds=0.1,
    sample_seconds=0.2,
    probe_seconds=2.0,
)
