"""The task of classifying documents, or of predicting a number for each."""
