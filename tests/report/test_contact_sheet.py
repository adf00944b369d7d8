from __future__ import annotations

from io import BytesIO

import pytest
import torch
from PIL import Image

from automix.errors import DataError
from automix.manager import PluginHost
from automix.policy import PolicyDocument
from automix.report import Pairs, choose_pairs, contact_sheet
from automix.report.contact_sheet import label_bar
from automix.report.pairs import LabelPart, mixed_rows


def images(n: int = 12, channels: int = 3, height: int = 16, width: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, channels, height, width), generator=generator, dtype=torch.uint8)


def pairs_of(n: int = 4, **shape: int) -> Pairs:
    return choose_pairs(images(**shape), torch.arange(12) % 3, ("cat", "dog", "<b>$x_1$</b>"), n)


def plain(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (0.5,) * channels, (0.25,) * channels


def test_pairs_are_of_different_classes_and_no_image_is_used_twice() -> None:
    pairs = pairs_of(6)
    assert (pairs.labels[:6] != pairs.labels[6:]).all()
    assert len({image.numpy().tobytes() for image in pairs.images}) == 12


def test_choice_of_pairs_repeats_and_takes_what_there_is() -> None:
    assert torch.equal(pairs_of(3).images, pairs_of(3).images)
    assert len(choose_pairs(images(3), torch.tensor([0, 1, 1]), ("a", "b"), 8)) == 1


def test_images_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="at least two classes"):
        choose_pairs(images(3), torch.zeros(3, dtype=torch.long), ("a",), 2)


def test_what_a_method_appends_to_the_batch_is_shown_with_the_label_of_each_cell(host: PluginHost) -> None:
    pairs = pairs_of(4, height=24, width=24)
    document = PolicyDocument.of("splicemix", grids="2x2")
    (row,) = mixed_rows(pairs, {"splicemix": document}, host.registry, plain(3))
    assert len(row.images) == 2  # eight images, four to a picture
    for image, parts in zip(row.images, row.labels, strict=True):
        assert [part.weight for part in parts] == [0.25] * 4
        corner = image[:, 0, 0]  # aligned corners: the first pixel of the first cell's image
        firsts = [i for i in range(8) if torch.allclose(pairs.images[i, :, 0, 0], corner, atol=1e-5)]
        assert pairs.class_of(firsts[0]) == parts[0].name
    assert contact_sheet(pairs, {"splicemix": document}, host.registry, normalization=plain(3)).startswith(b"\x89PNG")


def test_bar_is_divided_as_the_label_is() -> None:
    bar = label_bar([LabelPart("cat", 0.7, True), LabelPart("dog", 0.2, False), LabelPart("cat", 0.1, True)])
    assert [piece.width for piece in bar] == [0.7, 0.2, 0.1]
    assert [piece.left for piece in bar] == pytest.approx([0.0, 0.7, 0.9])
    assert bar[0].colour == bar[2].colour != bar[1].colour


def test_every_method_gets_the_same_pairs_and_mixes_each(host: PluginHost) -> None:
    pairs = pairs_of()
    names = [name for name in host.registry.names("mixer") if name not in ("none", "tdattenmix")]  # which wants a guide
    rows = mixed_rows(pairs, {name: PolicyDocument.of(name) for name in names}, host.registry, plain(3))
    rows = [row for row in rows if row.labels]  # what guides found has no label
    assert [row.name for row in rows] == names
    for row in rows:
        assert row.images.shape == (4, 3, 16, 16)
        for i, parts in enumerate(row.labels):
            assert sum(part.weight for part in parts) == pytest.approx(1.0, abs=1e-5)
            assert {part.name for part in parts} <= {pairs.class_of(i), pairs.class_of(i + 4)}


def test_box_of_cutmix_is_as_large_as_the_label_says(host: PluginHost) -> None:
    light = torch.cat([torch.zeros(4, 1, 20, 20), torch.ones(4, 1, 20, 20)])
    pairs = Pairs(light, torch.arange(8) // 4, ("dark", "light"))
    (row,) = mixed_rows(pairs, {"cutmix": PolicyDocument.of("cutmix")}, host.registry, plain(1))
    for image, parts in zip(row.images, row.labels, strict=True):
        partner = sum(part.weight for part in parts if not part.is_own)
        assert image.mean().item() == pytest.approx(partner, abs=1e-4)


def test_policy_with_two_branches_has_a_row_for_each(host: PluginHost) -> None:
    document = PolicyDocument.from_dict(host.registry.policy("timm_default"))
    rows = mixed_rows(pairs_of(), {"timm": document}, host.registry, plain(3))
    assert [row.name for row in rows] == ["timm:\nmixup", "timm:\ncutmix"]


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 16, 16), (3, 12, 40), (1, 40, 12)])
def test_sheet_is_a_picture_for_any_colours_and_shape(host: PluginHost, channels: int, height: int, width: int) -> None:
    pairs = pairs_of(3, channels=channels, height=height, width=width)
    documents = {"mixup": PolicyDocument.of("mixup"), "cutmix": PolicyDocument.of("cutmix")}
    png = contact_sheet(pairs, documents, host.registry, normalization=plain(channels), title="a $ in it: <x>_{1")
    with Image.open(BytesIO(png)) as sheet:
        sheet.verify()
        assert sheet.width > 3 * 120


def test_class_names_in_any_script_and_with_any_sign_are_drawn(host: PluginHost) -> None:
    pairs = choose_pairs(images(), torch.arange(12) % 3, ("狐狸", "$\\frac{", "a\nb"), 2)
    contact_sheet(pairs, {"mixup": PolicyDocument.of("mixup")}, host.registry, normalization=plain(3))
