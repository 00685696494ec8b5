from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from medcl.config import Config, dump, load, read_yaml, validate
from medcl.errors import UsageError
from medcl.finetune import TrainingConfig
from medcl.pretrain import PretrainConfig
from medcl.study import StudyConfig
from medcl.tissue.config import TissueConfig

CONFIGS = Path(__file__).parents[1] / "configs"


class Inner(Config):
    rate: float = 0.1


class Outer(Config):
    epochs: int
    inner: Inner = Inner()
    maybe: Inner | None = None
    steps: tuple[Inner, ...] = ()
    named: dict[str, Inner] = Field(default_factory=dict)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("epochs: 3\n")
    return path


def test_overrides_replace_values_of_the_file(file: Path) -> None:
    config = load(file, Outer, ["epochs=5", "inner.rate=1e-2"])
    assert (config.epochs, config.inner.rate) == (5, 0.01)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=5", "unknown key 'epoch'; did you mean 'epochs'"),
        ("inner.rat=5", "unknown key 'inner.rat'; did you mean 'rate'"),
        ("maybe.rates=5", "unknown key 'maybe.rates'; did you mean 'rate'"),
        ("steps=[{rate: 1}, {rats: 5}]", "unknown key 'steps.1.rats'; did you mean 'rate'"),
        ("named={first: {rats: 5}}", "unknown key 'named.first.rats'; did you mean 'rate'"),
        ("inner.zzz=5", "unknown key 'inner.zzz'; known keys: rate"),
        ("epochs=many", "epochs: Input should be a valid integer"),
        ("epochs.x=1", "'epochs' is a value, not a section"),
        ("epochs", "an override is written key=value"),
        ("inner.rate=.nan", "finite number"),
        ("epochs=[", "not valid YAML"),
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(file: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(file, Outer, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_refused_in_python_too() -> None:
    with pytest.raises(ValidationError, match="unknown key 'epoch'; did you mean 'epochs'"):
        Outer(epoch=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser.lr_per_256=1", "unknown key 'optimiser'; did you mean 'optimizer'"),
        ("monitor.labelled=true", "unknown key 'monitor.labelled'; did you mean 'labeled'"),
    ],
)
def test_british_keys_are_refused_with_the_name_that_is_known(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(CONFIGS / "pretrain.yaml", PretrainConfig, [override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method.temperature=hot", "method.temperature: Input should be a valid number"),
        ("method.temprature=1", "unknown key 'method.temprature'; did you mean 'temperature'"),
        ("optimizer={name: 3}", "optimizer.name: Input should be"),
    ],
)
def test_a_fault_is_named_by_keys_of_the_file_alone(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"pretrain.yaml: {message}"):
        load(CONFIGS / "pretrain.yaml", PretrainConfig, [override])


def test_a_key_that_a_member_of_a_union_lacks_is_named(file: Path) -> None:
    with pytest.raises(UsageError, match="key 'epochs' is required"):
        validate({}, Outer, "c.yaml")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such configuration"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match="mapping of keys"):
        read_yaml(tmp_path / "list.yaml")
    (tmp_path / "code.yaml").write_text("a: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(UsageError, match="not valid YAML"):
        read_yaml(tmp_path / "code.yaml")


@given(st.integers(1, 10**6), st.floats(1e-9, 1e9))
def test_what_is_dumped_is_read_back(epochs: int, rate: float) -> None:
    config = Outer(epochs=epochs, inner=Inner(rate=rate))
    assert Outer.model_validate(yaml.safe_load(dump(config))) == config


@pytest.mark.parametrize("path", sorted((CONFIGS / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_is_valid(path: Path) -> None:
    assert load(path, TissueConfig if path.stem.endswith("_tissue") else StudyConfig).arms


def test_the_shipped_pretraining_is_valid() -> None:
    assert load(CONFIGS / "pretrain.yaml", PretrainConfig).epochs > 0


@pytest.mark.parametrize(
    ("key", "name"), [("trials", "candidates"), ("steps_", "steps"), ("learning_rate", "learning_rates")]
)
def test_an_old_key_is_refused_with_its_new_name(key: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown key '{key}'; did you mean '{name}'"):
        validate({key: 1}, TrainingConfig, "study.yaml")
