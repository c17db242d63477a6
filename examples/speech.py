"""Learns to write down digits that eight voices of espeak-ng speak, and then what an unseen voice
says. `--picture FILE` draws the spectrogram of the last phrase, and the characters where they were
read."""

import argparse

import numpy as np
from matplotlib.figure import Figure

import charrnn
from benchmarks.log_mel import HOP, log_mel
from benchmarks.phrases import DIGITS
from benchmarks.spoken import say

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--utterances", type=int, default=800)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--picture", metavar="FILE")
options = parser.parse_args()

voices = [f"en-us+{each}" for each in ("f2", "f4", "f5", "m1", "m3", "m5", "m7", "m8")]
random = np.random.default_rng(0)
texts = [" ".join(random.choice(DIGITS, 3)) for _ in range(options.utterances)]
X = [log_mel(*say(each, random.choice(voices), int(random.integers(130, 200)))) for each in texts]
transcriber = charrnn.RecurrentTranscriber(hidden_size=64, epochs=options.epochs).fit(X, texts)
print(f"{transcriber.losses_[0]:.3f} nats per character, later {transcriber.losses_[-1]:.3f}")

for said in ("two seven one", "one six one", "three one four"):
    spectrum = log_mel(*say(said, "en-us+linda"))  # (T, E)
    print(f"said {said!r}, heard {transcriber.predict([spectrum])[0]!r}")

if options.picture:
    read = transcriber.log_probabilities([spectrum])[0].argmax(
        1
    )  # a character or none at each step
    figure = Figure((8, 3), layout="constrained", facecolor="white")
    axes = figure.add_subplot(xlabel="seconds", ylabel="band", title=f"“{said}”, and what was read")
    axes.imshow(spectrum.T, origin="lower", aspect="auto", extent=(0, len(spectrum) * HOP, 0, 40))
    for step in np.flatnonzero((np.diff(read, prepend=0) != 0) & (read > 0)):
        axes.text(
            step * transcriber.subsampling_ * HOP, 41, transcriber.characters_[read[step] - 1]
        )
    figure.savefig(options.picture)
