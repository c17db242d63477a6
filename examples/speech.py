"""Spoken digits, written down: spectra of sound become a string of characters.

    python examples/speech.py [--utterances 300] [--epochs 20] [--picture speech.svg]

Eight voices of espeak-ng, which must be installed, speak for the training, and another one for the
test. The picture has the spectra of a phrase, and above them the characters where they were read.
"""

import argparse

import numpy as np

import charrnn
from benchmarks.log_mel import HOP, log_mel
from benchmarks.phrases import DIGITS
from benchmarks.spoken import say

parser = argparse.ArgumentParser(description="Write down spoken digits.")
parser.add_argument("--utterances", type=int, default=300, help="learn this many")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--picture", help="draw into this file, .svg or .png")
arguments = parser.parse_args()

voices = [f"en-us+{each}" for each in ("f2", "f4", "f5", "m1", "m3", "m5", "m7", "m8")]
random = np.random.default_rng(0)
texts = [" ".join(random.choice(DIGITS, 3)) for _ in range(arguments.utterances)]
X = [log_mel(*say(each, random.choice(voices), int(random.integers(130, 200)))) for each in texts]

transcriber = charrnn.RecurrentTranscriber(hidden_size=64, epochs=arguments.epochs).fit(X, texts)
for said in ("two seven one eight", "one six one eight", "three one four one"):
    spectra = log_mel(*say(said, "en-us+linda"))  # (T, 40), one every 10 ms
    print(f"said {said!r}, heard {str(transcriber.predict([spectra])[0])!r}")

if arguments.picture:
    from matplotlib.figure import Figure

    ids = transcriber.log_probabilities([spectra])[0].argmax(1)  # of each step; 0 is no character
    seconds = HOP * transcriber.subsampling_  # of a step
    figure = Figure((8, 3), layout="constrained", facecolor="white")
    axes = figure.add_subplot(xlabel="seconds", ylabel="band of the mel scale")
    axes.imshow(spectra.T, origin="lower", aspect="auto", extent=(0, HOP * len(spectra), 0, 40))
    for step in np.flatnonzero((np.diff(ids, prepend=0) != 0) & (ids > 0)):
        character = transcriber.characters_[ids[step] - 1].replace(" ", "␣")
        axes.text(seconds * (step + 0.5), 41, character, ha="center")
    figure.savefig(arguments.picture)
