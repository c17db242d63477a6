"""Errors and warnings that are also scikit-learn's, where scikit-learn is installed."""

import functools
from typing import Any

from charrnn.errors import CharRNNWarning, NotFittedError


def not_fitted(message: str) -> NotFittedError:
    """Return an error that is also scikit-learn's NotFittedError, where scikit-learn is
    installed."""
    return _not_fitted_type()(message)


@functools.cache
def _not_fitted_type() -> type[NotFittedError]:
    try:
        from sklearn.exceptions import NotFittedError as Theirs
    except ImportError:
        return NotFittedError

    class Both(NotFittedError, Theirs):  # type: ignore[misc]
        __doc__ = NotFittedError.__doc__

        def __reduce__(self) -> tuple[Any, ...]:  # joblib's workers pickle errors
            return not_fitted, self.args

    Both.__name__ = Both.__qualname__ = NotFittedError.__name__
    return Both


@functools.cache
def data_conversion_warning() -> type[Warning]:
    """Return the type of the warning that a target was reshaped."""
    try:
        from sklearn.exceptions import DataConversionWarning as Theirs
    except ImportError:
        return CharRNNWarning

    class Both(CharRNNWarning, Theirs):  # type: ignore[misc]
        __doc__ = CharRNNWarning.__doc__

    Both.__name__ = Both.__qualname__ = "DataConversionWarning"
    return Both
