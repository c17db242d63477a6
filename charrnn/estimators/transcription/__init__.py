"""Transcriber of sequences of vectors, by connectionist temporal classification."""
