"""A program that stands in for espeak-ng: every letter is a tone, so that tests need no speech."""

import sys
from pathlib import Path

PROGRAM = """
import io, math, struct, sys, wave
voice, text = sys.argv[sys.argv.index("-v") + 1], sys.argv[-1]
if voice == "nobody":
    sys.exit("Error: The specified espeak-ng voice does not exist.")
rate, seconds = 22050, 0.06
samples = []
for letter in text + "     ":
    pitch = 300 * 2 ** ((ord(letter) - 97) / 8) * (1 + len(voice) / 500)
    loud = 0 if letter == " " else 9000
    wave_length = range(int(rate * seconds))
    samples += [int(loud * math.sin(2 * math.pi * pitch * each / rate)) for each in wave_length]
written = io.BytesIO()
with wave.open(written, "wb") as sound:
    sound.setparams((1, 2, rate, 0, "NONE", ""))
    sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
sys.stdout.buffer.write(written.getvalue())
"""


def install(folder: Path) -> None:
    """Write it to a folder, which is to be on PATH."""
    script = folder / "espeak-ng"
    script.write_text(f"#!{sys.executable} -IS\n{PROGRAM}")
    script.chmod(0o755)
