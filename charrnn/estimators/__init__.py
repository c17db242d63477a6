"""Classifiers and regressors with the conventions of scikit-learn, over sequences of vectors."""
