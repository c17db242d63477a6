"""Forecasts two cycles of sunspots, beside what was then counted, and draws a picture of it.

python examples/forecasting.py --picture forecasting.svg
"""

import argparse

import matplotlib.pyplot as plt
from statsmodels.datasets import sunspots

import charrnn

HORIZON = 22  # years

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--picture", default="forecasting.svg", help="the file to write")
parser.add_argument("--members", type=int, default=6, help="the networks of the ensemble")
parser.add_argument("--epochs", type=int, help="the passes over the series")
arguments = parser.parse_args()

table = sunspots.load_pandas().data  # 1700 to 2008
years, counts = table["YEAR"].to_numpy(), table["SUNACTIVITY"].to_numpy()
past, future = years[:-HORIZON], years[-HORIZON:]

forecaster = charrnn.RecurrentForecaster(members=arguments.members, epochs=arguments.epochs)
forecaster.fit(counts[:-HORIZON])
print(f"transforms {forecaster.transforms_}, lags {forecaster.lags_}")

forecast = forecaster.predict(HORIZON, quantiles=[0.1, 0.5, 0.9])
for year, low, median, high in zip(
    future, forecast[0.1], forecast[0.5], forecast[0.9], strict=True
):
    print(f"{year:.0f}: {median:5.1f}, with 80 % between {low:5.1f} and {high:5.1f}")

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
axes.fill_between(future, forecast[0.1], forecast[0.9], color="#f4a259", alpha=0.4, lw=0)
axes.plot(past[-90:], counts[-90 - HORIZON : -HORIZON], color="#33415c", label="history")
axes.plot(future, counts[-HORIZON:], ".", color="#33415c", label="what came")
axes.plot(future, forecast[0.5], color="#d1495b", label="median, with the 80 % interval")
axes.set(xlabel="year", ylabel="sunspots", ylim=(0, None))
axes.spines[["top", "right"]].set_visible(False)
figure.legend(frameon=False, loc="outside upper left", ncols=3)
figure.savefig(arguments.picture, metadata={"Date": None} if ".svg" in arguments.picture else None)
