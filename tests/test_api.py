from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

import automix
from automix.api import preview
from automix.errors import PolicyError, SettingError, UnknownNameError
from automix.manager import PluginHost


def test_package_hands_out_its_functions_without_importing_torch_before() -> None:
    code = "import sys, automix\nassert 'torch' not in sys.modules\nautomix.search, automix.load_policy\n"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("name", ["none", "timm_default", "trivialmix", "deit"])
def test_registered_policy_is_loaded_by_name(host: PluginHost, name: str) -> None:
    mix = automix.load_policy(name, num_classes=4, host=host, normalization=((0.5,), (0.25,)))
    images, targets = mix(torch.randn(6, 1, 8, 8), torch.arange(6) % 4)
    assert images.shape == (6, 1, 8, 8)
    assert targets.shape == (6, 4)


def test_file_wins_over_a_registered_name(host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("none").write_text("schema: automix.policy/1\nbranches:\n- mixer: {name: mixup}\n")
    assert automix.load_policy("none", num_classes=2, host=host).document.is_mixing


def test_missing_file_and_wrong_key_are_named(host: PluginHost, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nope\.yaml"):
        automix.load_policy(tmp_path / "nope.yaml", num_classes=2, host=host)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("schema: automix.policy/1\nbranches:\n- mixr: {name: mixup}\n")
    with pytest.raises(UnknownNameError, match=r"mixr.*wrong\.yaml line 3"):
        automix.load_policy(wrong, num_classes=2, host=host)


def test_equal_seeds_give_equal_batches_and_others_do_not(host: PluginHost) -> None:
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8)
    first, again, other = (
        automix.load_policy("timm_default", num_classes=8, host=host, seed=seed)(images, labels)[0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_search_can_be_called_whatever_was_imported_before() -> None:
    code = (
        "import automix, automix.search, automix.search.config as config\n"
        "from automix.search import StudyConfig\n"
        "assert config.StudyConfig is StudyConfig\n"
        "from automix import search\n"
        "for call in (automix.search, search):\n"
        "    try: call('digits', trails=3)\n"
        "    except KeyError as err: assert 'trials' in str(err)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_unknown_option_of_search_is_named_with_its_neighbour(host: PluginHost) -> None:
    with pytest.raises(UnknownNameError, match=r"'trails'.*'trials'"):
        automix.search("digits", host=host, trails=3)


def test_preview_draws_a_data_set_object(host: PluginHost, tmp_path: Path) -> None:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (40, 3, 8, 8), dtype=np.uint8))
    data = TensorDataset(pixels, torch.arange(40) % 2)
    png = preview(data, methods=["mixup"], pairs=2, host=host, work=tmp_path)
    with Image.open(BytesIO(png)) as sheet:
        sheet.verify()


def test_preview_without_a_pair_is_refused(host: PluginHost, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least 1 pair"):
        preview("digits", pairs=0, host=host, work=tmp_path)
