"""Builds the native engine where there is a C compiler; without one, charrnn runs on NumPy."""

from setuptools import Extension, setup

NATIVE = "charrnn/generation/engines/native"

setup(
    ext_modules=[
        Extension(
            "charrnn.generation.engines.native.step",
            sources=[f"{NATIVE}/step.c"],
            depends=[f"{NATIVE}/panel.h"],
            extra_compile_args=[
                "-std=gnu11",
                "-O3",
                "-g0",
                "-pthread",
                "-ffp-contract=fast",
                "-fno-math-errno",
                "-fno-trapping-math",
            ],
            extra_link_args=["-pthread"],
            optional=True,
        )
    ]
)
