#!/bin/sh
# Measures charrnn on a GPU: see on_gpu.py. PYTHON is the interpreter that has PyTorch.
here=$(cd "$(dirname "$0")/.." && pwd) || exit
PYTHONPATH=$here exec "${PYTHON:-python3}" -m benchmarks.on_gpu "$@"
