"""Classifier and regressor of sequences of vectors, with the conventions of scikit-learn."""
