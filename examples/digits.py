"""Handwritten digits, each image read row by row as a sequence of 8 vectors of 8 pixels.

    python examples/digits.py [--images 1198] [--epochs 60] [--picture digits.svg]

The picture has mistakes in red, and below, how probable each digit is after every row.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import charrnn

parser = argparse.ArgumentParser(description="Recognize handwritten digits.")
parser.add_argument("--images", type=int, default=1198, help="learn this many")
parser.add_argument("--epochs", type=int, help="how often; by default, a held-out tenth decides")
parser.add_argument("--picture", help="draw into this file, .svg or .png")
arguments = parser.parse_args()

table = load_digits()
X, X_test, y, y_test = train_test_split(
    table.images, table.target, train_size=arguments.images, test_size=599, random_state=0
)
predicted = charrnn.RecurrentClassifier(epochs=arguments.epochs).fit(X, y).predict(X_test)
right = predicted == y_test
print(f"{right.sum()} of {len(right)} are recognized, {right.mean():.1%}")
mistakes = [f"{y_test[n]} read as {predicted[n]}" for n in np.flatnonzero(~right)]
print("mistakes:", ", ".join(mistakes[:8]))

if arguments.picture:
    # A second network learns all beginnings of the images, from their first row on.
    reader = charrnn.RecurrentClassifier(hidden_size=64, bidirectional=False, epochs=5)
    reader.fit([x[:rows] for x in X for rows in range(1, 9)], np.repeat(y, 8))
    known = np.stack([reader.predict_proba(X_test[:, :rows]) for rows in range(1, 9)], axis=1)
    sure = known[np.arange(len(y_test)), :, y_test]  # of the right digit, after each row
    late = (sure[:, :7].mean(1) - sure[:, 7]).argsort()[:4]
    _, axes = plt.subplots(3, 8, figsize=(8, 3.9), layout="constrained", facecolor="white")
    for axis, n in zip(axes[:2].flat, right.argsort(kind="stable"), strict=False):
        axis.imshow(X_test[n], cmap="Greys", interpolation="none")
        axis.set_title(predicted[n], color="black" if right[n] else "crimson")
    for left, beside, n in zip(axes[2, ::2], axes[2, 1::2], late, strict=True):
        left.imshow(X_test[n], cmap="Greys", interpolation="none")
        beside.imshow(known[n], cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none")
        beside.set_xlabel("0123456789", family="monospace")
    plt.setp(axes, xticks=[], yticks=[])
    plt.savefig(arguments.picture)
