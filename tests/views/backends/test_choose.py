"""Which renderer a name chooses, and what is said where it cannot be had."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from medcl.errors import UsageError
from medcl.views.backends import choose
from medcl.views.backends.choose import choose_backend


@pytest.fixture
def numba(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Numba is installed, or not, as the parameter says."""
    spec = SimpleNamespace() if request.param else None
    monkeypatch.setattr(choose, "find_spec", lambda _: spec)


def test_a_name_is_a_module() -> None:
    assert choose_backend("torch").__module__ == "medcl.views.backends.torch_backend"  # type: ignore[attr-defined]
    assert choose_backend("monai").__module__ == "medcl.views.backends.monai_backend"  # type: ignore[attr-defined]


@pytest.mark.parametrize("numba", [False], indirect=True)
def test_without_numba_auto_is_torch_and_fused_says_what_to_install(numba: None) -> None:
    assert choose_backend("auto") == choose_backend("torch")
    with pytest.raises(UsageError, match=r"backend='fused' needs numba; install medcl\[fast\], or set"):
        choose_backend("fused")


def test_with_numba_auto_is_fused_on_as_many_threads() -> None:
    pytest.importorskip("numba")
    render = choose_backend("auto", 3)
    assert isinstance(render, partial)
    assert (render.func.__module__, render.keywords) == ("medcl.views.backends.fused_backend", {"threads": 3})


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="backend='jax' is not known; it is "):
        choose_backend("jax")  # type: ignore[arg-type]
