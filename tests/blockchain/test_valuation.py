import numpy as np
import pytest

from livetrading.blockchain.protocol import DomainError
from livetrading.blockchain.valuation import MODELS, model


def test_a_model_is_found_by_its_name() -> None:
    assert all(model(name).name == name for name in MODELS)
    with pytest.raises(DomainError, match=r"model must be one of .*power-law-a.*, was 'oracle'"):
        model("oracle")


@pytest.mark.parametrize("name", MODELS)
def test_without_columns_there_is_a_reason_and_no_number(name: str) -> None:
    told = model(name).value({"tx_count": np.zeros(3)})
    assert not model(name).available({"tx_count"})
    assert np.isnan(told.value).all()
    assert told.value.shape == told.price_usd.shape == told.reason.shape == (3,)
    assert all(reason == f"needs {', '.join(model(name).channels)}" for reason in told.reason)
