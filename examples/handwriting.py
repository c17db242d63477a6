"""Learns to read drawn lines of text, and then reads lines in a font that it has not seen."""

import argparse
import random

import numpy as np
from matplotlib import get_data_path
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

import charrnn

SEEN = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "STIXGeneral", "cmr10", "cmtt10"]
WORDS = "a and barley bring candles Edith for from honey jars Oscar quilts rye soap the Xaver zinc"

parser = argparse.ArgumentParser(description="Read lines of text.")
parser.add_argument("--lines", type=int, default=3000, help="learn this many")
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--picture", help="draw into this file, .svg or .png")
arguments = parser.parse_args()


def draw(text: str, name: str) -> np.ndarray:
    """Return the columns (T, 24) of a line of slanted text; ink is 1, paper is 0."""
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}.ttf", 16)
    image, slant = Image.new("L", (int(font.getlength(text)) + 20, 24)), random.uniform(-0.3, 0.3)
    ImageDraw.Draw(image).text((10, random.randint(0, 3)), text, fill=255, font=font)
    image = image.transform(image.size, Image.Transform.AFFINE, (1, slant, -12 * slant, 0, 1, 0))
    return np.array(image).T / 255


random.seed(0)
words = 5 * WORDS.split() + [str(each) for each in range(10, 100)]
texts = [" ".join(random.sample(words, 1 + n % 4)) for n in range(arguments.lines + 100)]
X = [draw(text, random.choice(SEEN)) for text in texts[:-100]]
transcriber = charrnn.RecurrentTranscriber(epochs=arguments.epochs).fit(X, texts[:-100])
X_test, y_test = [draw(text, "DejaVuSerif") for text in texts[-100:]], texts[-100:]
predicted = transcriber.predict(X_test)
for number in range(3, 27, 4):  # lines of four words
    print(f"{y_test[number]} is read as {predicted[number]}")
print(f"character error rate {1 - transcriber.score(X_test, y_test):.1%}")

if arguments.picture:
    figure = Figure((7, 2.2), facecolor="white", layout="constrained")
    for number, axis in zip(range(3, 27, 4), figure.subplots(6), strict=True):
        axis.imshow(X_test[number].T, cmap="Greys", interpolation="none")
        axis.set(xlim=(0, 520), xticks=[], yticks=[], frame_on=False)
        axis.text(290, 17, predicted[number], family="monospace")
    figure.savefig(arguments.picture)
