"""Plots: what they show, not how it looks."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_sm import Tensor
from tinygrad_sm.viz import plots


def test_curves_are_named_and_start_at_epoch_1():
    ax = plots.curves({"train": [3.0, 2.0, 1.0], "held out": [3.0, 2.5, 2.0]}, ylabel="loss")
    assert [line.get_label() for line in ax.lines] == ["train", "held out"]
    assert ax.lines[0].get_xdata()[0] == 1
    assert list(ax.lines[1].get_ydata()) == [3, 2.5, 2]
    assert ax.get_ylabel() == "loss"


def test_every_plot_draws_on_the_axes_it_is_given():
    ax = plots.Figure().subplots()
    assert plots.curves({"a": [1.0]}, ax=ax) is ax
    assert plots.confusion_matrix([0], [0], classes=1, ax=ax) is ax
    assert plots.bars([1.0], ax=ax) is ax
    assert plots.softmax_bars([1.0, 2.0], ax) is ax
    assert plots.cross_entropy_curve(ax) is ax
    axes = plots.Figure().subplots(1, 2, squeeze=False)
    assert plots.weight_templates(np.ones((2, 4)), (2, 2), axes=axes) is axes


def test_weight_templates_share_one_scale_with_white_at_zero():
    weight = Tensor([[1.0, -3.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0]])
    axes = plots.weight_templates(weight, (2, 2))
    images = [ax.images[0] for ax in axes.flat if ax.get_visible()]
    assert [image.get_array().tolist() for image in images] == [[[1, -3], [0, 0]], [[0, 0], [2, 1]]]
    assert {(image.norm.vmin, image.norm.vcenter, image.norm.vmax) for image in images} == {
        (-3, 0, 3)
    }


def test_two_pictures_of_weights_can_have_one_scale():
    axes = plots.weight_templates(np.ones((1, 4)), (2, 2), largest=5)
    assert (axes[0, 0].images[0].norm.vmin, axes[0, 0].images[0].norm.vmax) == (-5, 5)


def test_weights_of_all_zeros_can_be_drawn():
    plots.weight_templates(np.zeros((3, 4)), (2, 2))[0, 0].figure.savefig("/dev/null", format="png")


def test_confusion_matrix_counts():
    ax = plots.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], classes=3)
    cells = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in ax.texts
    }
    assert cells == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "1"}


def test_mistakes_come_surest_first_and_only_mistakes():
    p = np.array([[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
    images = np.arange(12.0).reshape(3, 2, 2)
    axes = plots.mistakes(images, [1, 1, 0], p)
    assert [ax.images[0].get_array().tolist() for ax in axes[:, 0]] == [
        images[2].tolist(),
        images[0].tolist(),
    ]
    assert [bar.get_height() for bar in axes[0, 1].patches] == [0.1, 0.9]
    assert {text.get_text() for text in axes[0, 1].texts} == {"10 %", "90 %"}


def test_no_mistake_is_an_empty_picture():
    axes = plots.mistakes(np.zeros((1, 2, 2)), [0], [[1.0, 0.0]])
    assert not axes[0, 0].images


def test_without_matplotlib_the_fix_is_named():
    code = "import sys; sys.modules['matplotlib'] = None; import tinygrad_sm.viz.plots"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert 'pip install "tinygrad-sm[viz]"' in result.stderr


def test_no_window_toolkit_is_loaded():
    code = "import tinygrad_sm.viz.plots, sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- softmax and its penalty -------------------------------------------------------------------


def test_bars_go_up_and_down_and_carry_their_numbers_and_names():
    ax = plots.bars(Tensor([2.0, -0.12345, 0.0]), ["a", "b", "c"], marked=1, title="z")
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [2, -0.12345, 0])
    assert [text.get_text() for text in ax.texts] == ["2", "−0.123", "0"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]
    colours = [bar.get_facecolor() for bar in ax.patches]
    assert colours[0] == colours[2] != colours[1]
    low, high = ax.get_ylim()
    assert low < -0.12345
    assert high > 2
    assert ax.get_title() == "z"


@pytest.mark.parametrize("temperature", [0.5, 1, 4])
def test_softmax_bars_are_the_probabilities_at_a_temperature(temperature):
    scores = np.array([1000.0, 999.0, -1.0])
    ax = plots.softmax_bars(scores, temperature=temperature)
    e = np.exp((scores - 1000) / temperature)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], e / e.sum(), atol=1e-12)
    assert ax.get_xticklabels()[2].get_text() == "z = −1"


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(ValueError, match="temperature is a number above 0"):
        plots.softmax_bars([1.0, 2.0], temperature=temperature)


def test_the_penalty_and_its_slope_by_the_score():
    for slope, formulas in (
        (False, (lambda p: -np.log(p), lambda p: (1 - p) ** 2)),
        (True, (lambda p: p - 1, lambda p: -2 * p * (1 - p) ** 2)),
    ):
        ax = plots.cross_entropy_curve(slope=slope)
        for line, formula in zip(ax.lines, formulas, strict=True):
            p, y = line.get_data()
            np.testing.assert_allclose(y, formula(p), rtol=1e-9, atol=1e-12)
            assert p[0] < 0.001
            assert p[-1] > 0.999
