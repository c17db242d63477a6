from collections.abc import Callable

import pytest

from charrnn.generation.sampler import Sampler
from charrnn.storage.model_directory import Model
from tests.interactive.manuscripts import Counting

MakeModel = Callable[..., Model]


@pytest.fixture
def counted(make_model: MakeModel) -> tuple[Sampler, Counting]:
    model = make_model(" abc", hidden_size=8, layers=1)
    engine = Counting(model)
    return Sampler(model, engine), engine
