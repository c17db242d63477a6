"""Builds the C code where there is a compiler; without one, charrnn runs on NumPy and PyTorch."""

from glob import glob

from setuptools import Extension, setup


def library(folder: str, name: str) -> Extension:
    """Return the extension that builds the C files of a folder into a library for ctypes."""
    return Extension(
        f"{folder}.{name}".replace("/", "."),
        sources=[f"{folder}/{name}.c"],
        include_dirs=["charrnn/model"],
        depends=[*sorted(glob(f"{folder}/*.h")), "charrnn/model/layout.h"],
        extra_compile_args=[
            "-std=gnu11",
            "-O3",
            "-g0",
            "-pthread",
            "-ffp-contract=off",  # fused multiply-adds are written out: MULTIPLY_ADD
            "-fno-math-errno",
            "-fno-trapping-math",
        ],
        extra_link_args=["-pthread"],
        optional=True,
    )


setup(
    ext_modules=[
        library("charrnn/engines/native", "step"),
        library("charrnn/engines/native", "int8"),
        library("charrnn/engines/native", "memory"),
        library("charrnn/model/kernels/native", "recurrence"),
        library("charrnn/tasks/transduce/native", "lattice"),
    ]
)
