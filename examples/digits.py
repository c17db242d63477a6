"""Handwritten digits, each image read row by row as a sequence of 8 vectors of 8 pixels.

    python examples/digits.py [--images 1797] [--picture digits.svg]

The picture has mistakes (in red), digits that are recognized, and below, the probability of every
digit after each row: what a network knows that has read no further.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import charrnn

parser = argparse.ArgumentParser(description="Recognize handwritten digits.")
parser.add_argument("--images", type=int, default=1797, help="learn and test this many")
parser.add_argument("--picture", help="draw into this file, .svg or .png")
arguments = parser.parse_args()

digits = load_digits()
images, names = digits.images[: arguments.images], digits.target[: arguments.images]
X, X_test, y, y_test = train_test_split(images, names, test_size=1 / 3, random_state=0)

classifier = charrnn.RecurrentClassifier().fit(X, y)
predicted = classifier.predict(X_test)
wrong, right = np.flatnonzero(predicted != y_test), np.flatnonzero(predicted == y_test)
print(f"{len(right)} of {len(y_test)} are recognized, {classifier.score(X_test, y_test):.1%}")
print("mistakes:", ", ".join(f"a {y_test[n]} read as {predicted[n]}" for n in wrong[:8]))

if arguments.picture:
    import matplotlib.pyplot as plt

    # A second network learns all beginnings of the images, from their first row on.
    reader = charrnn.RecurrentClassifier(bidirectional=False, pooling="last", epochs=10)
    reader.fit([x[:rows] for x in X for rows in range(1, 9)], np.repeat(y, 8))
    known = np.stack([reader.predict_proba(X_test[:, :rows]) for rows in range(1, 9)], axis=1)
    sure = known[np.arange(len(y_test)), :, y_test]  # of the right digit, after each row
    late = (sure[:, :7].mean(1) - sure[:, 7]).argsort()
    figure, axes = plt.subplots(3, 8, figsize=(8, 3.9), layout="constrained", facecolor="white")
    for axis, n in zip(axes.flat, [*wrong[:8], *right[: 16 - len(wrong[:8])]], strict=False):
        axis.imshow(X_test[n], cmap="Greys")
        axis.set_title(predicted[n], color="crimson" if n in wrong else "black")
    for left, beside, n in zip(axes[2, ::2], axes[2, 1::2], late[:4], strict=True):
        left.imshow(X_test[n], cmap="Greys")
        beside.imshow(known[n], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        beside.set_xlabel("0123456789", family="monospace")
    plt.setp(axes, xticks=[], yticks=[])
    figure.savefig(arguments.picture)
