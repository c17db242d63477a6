"""What scikit-learn raises, for those who catch it. It need not be installed."""

import functools
from typing import Any

from charrnn.errors import CharRNNWarning, NotFittedError


def not_fitted(message: str) -> NotFittedError:
    """An error that is scikit-learn's NotFittedError as well, where that is installed."""
    return _not_fitted_type()(message)


@functools.cache
def _not_fitted_type() -> type[NotFittedError]:
    try:
        from sklearn.exceptions import NotFittedError as Theirs
    except ImportError:
        return NotFittedError

    class Both(NotFittedError, Theirs):  # type: ignore[misc]
        __doc__ = NotFittedError.__doc__

        def __reduce__(self) -> tuple[Any, ...]:  # a worker's error is sent to who waits for it
            return not_fitted, self.args

    Both.__name__ = Both.__qualname__ = NotFittedError.__name__
    return Both


@functools.cache
def data_conversion_warning() -> type[Warning]:
    """The warning that a target was read in another shape than it has."""
    try:
        from sklearn.exceptions import DataConversionWarning as Theirs
    except ImportError:
        return CharRNNWarning

    class Both(CharRNNWarning, Theirs):  # type: ignore[misc]
        __doc__ = CharRNNWarning.__doc__

    Both.__name__ = Both.__qualname__ = "DataConversionWarning"
    return Both
