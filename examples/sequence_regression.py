"""Fits a simple recurrent network to a random number for each of 1000 sequences, of 100 steps of 32
random numbers each. There is no rule to find: it memorizes the training data."""

import numpy as np

import charrnn

random = np.random.default_rng(0)
X, y = random.normal(size=(1000, 100, 32)), random.normal(size=1000)

regressor = charrnn.RecurrentRegressor(
    input_size=32,
    hidden_size=32,
    cell="rnn",
    bidirectional=False,
    pooling="last",
    optimizer="rmsprop",
    learning_rate=0.001,
    epochs=10,
    batch_size=32,
)
regressor.fit(X, y)

for epoch, loss in enumerate(regressor.losses_, 1):
    print(f"epoch {epoch}: mean squared error {loss:.4f}")
print(f"R² {regressor.score(X, y):.4f}, of the first three: {regressor.predict(X[:3]).round(4)}")
