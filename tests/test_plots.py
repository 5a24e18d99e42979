"""Plots: what they show, not how it looks."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import nn
from tinygrad_sm import Tensor
from tinygrad_sm.viz import plots


def bowl(x, y):
    return x * x + 9 * y * y


def scores(x):
    """Of two classes: the second is the more probable where x[0] > 0.5."""
    return x @ Tensor([[0.0, 20.0], [0.0, 0.0]]) + Tensor([10.0, 0.0])


def test_curves_are_named_and_start_at_epoch_1():
    ax = plots.curves({"train": [3.0, 2.0, 1.0], "held out": [3.0, 2.5, 2.0]}, ylabel="loss")
    assert [line.get_label() for line in ax.lines] == ["train", "held out"]
    assert ax.lines[0].get_xdata()[0] == 1
    assert list(ax.lines[1].get_ydata()) == [3, 2.5, 2]
    assert ax.get_ylabel() == "loss"
    assert all(tick == int(tick) for tick in ax.get_xticks())  # there is no epoch 1.5


def test_the_curve_of_a_single_epoch_is_a_dot():
    assert plots.curves({"train": [3.0]}).lines[0].get_marker() == "o"


def test_every_plot_draws_on_the_axes_it_is_given():
    ax = plots.Figure().subplots()
    assert plots.curves({"a": [1.0]}, ax=ax) is ax
    assert plots.confusion_matrix([0], [0], classes=1, ax=ax) is ax
    assert plots.bars([1.0], ax=ax) is ax
    assert plots.softmax_bars([1.0, 2.0], ax) is ax
    assert plots.cross_entropy_curve(ax) is ax
    axes = plots.Figure().subplots(1, 2, squeeze=False)
    assert plots.weight_templates(np.ones((2, 4)), (2, 2), axes=axes) is axes
    row = axes[0]
    assert plots.history({"a": {"b": [1.0]}, "c": {"d": [1.0]}}, axes=row) is row
    assert plots.decision_boundary(scores, np.eye(2), [0, 1], ax=ax, points=5) is ax
    assert plots.loss_surface(bowl, {"a": np.eye(2)}, ax=ax, points=5) is ax
    axes = plots.Figure().subplots(1, 2, squeeze=False)
    assert plots.filters(np.ones((2, 3, 2, 2)), axes=axes) is axes
    assert plots.feature_maps(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), axes=axes) is axes
    model, one = nn.Linear(2, 1), plots.Figure().subplots(1, 1, squeeze=False)
    assert plots.activation_histograms(model, Tensor([[1.0, 2.0]]), one) is one
    model(Tensor([1.0, 2.0])).sum().backward()
    assert plots.gradient_histograms(model, one) is one


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


def test_weight_templates_have_the_titles_they_are_given_one_for_each_row():
    axes = plots.weight_templates(np.ones((2, 4)), (2, 2), titles=["a", "b"])
    assert [ax.get_title() for ax in axes.flat[:2]] == ["a", "b"]
    with pytest.raises(ValueError, match="shorter"):
        plots.weight_templates(np.ones((2, 4)), (2, 2), titles=["a"])


def test_weights_of_all_zeros_can_be_drawn():
    plots.weight_templates(np.zeros((3, 4)), (2, 2))[0, 0].figure.savefig("/dev/null", format="png")


def test_confusion_matrix_counts():
    ax = plots.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], classes=3)
    cells = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in ax.texts
    }
    assert cells == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "1"}


def test_confusion_matrix_names_its_classes():
    ax = plots.confusion_matrix([0, 1], [0, 0], classes=("cat", "penguin"))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "penguin"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "penguin"]


def test_grey_filters_share_one_scale_and_coloured_ones_are_grey_at_zero():
    weight = np.zeros((3, 1, 2, 2))
    weight[1, 0, 0, 1] = -4
    images = [ax.images[0] for ax in plots.filters(weight).flat[:3]]
    assert {(image.norm.vmin, image.norm.vmax) for image in images} == {(-4, 4)}
    assert images[1].get_array().tolist() == [[0, -4], [0, 0]]

    coloured = np.zeros((9, 3, 2, 2))
    coloured[0, 2, 1, 1] = 2  # blue
    axes = plots.filters(Tensor(coloured))
    assert [ax.get_visible() for ax in axes.flat] == [True] * 9 + [False] * 7
    pixels = axes.flat[0].images[0].get_array()
    assert pixels[1, 1].tolist() == [0.5, 0.5, 1]
    assert pixels[0, 0].tolist() == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="1 or 3 channels"):
        plots.filters(np.zeros((1, 2, 3, 3)))


def test_feature_maps_stand_beside_their_image():
    images, maps = np.random.default_rng(0).random((2, 1, 4, 4)), np.zeros((2, 3, 2, 2))
    maps[1, 2] = 5
    axes = plots.feature_maps(images, maps)
    assert axes.shape == (2, 4)
    assert axes[1, 0].images[0].get_array().tolist() == images[1, 0].tolist()
    assert axes[1, 3].images[0].get_array().tolist() == [[5, 5], [5, 5]]
    assert axes[1, 1].images[0].norm.vmax == 5  # of the whole row
    assert [ax.get_title() for ax in axes[0]] == ["image", "0", "1", "2"]
    coloured = plots.feature_maps(np.zeros((1, 3, 4, 4)), np.zeros((1, 1, 2, 2)))
    assert coloured[0, 0].images[0].get_array().shape == (4, 4, 3)


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


def test_history_has_a_panel_for_each_quantity():
    axes = plots.history({"loss": {"train": [2.0, 1.0]}, "accuracy": {"train": [0.5, 0.7]}})
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    assert [list(ax.lines[0].get_ydata()) for ax in axes] == [[2, 1], [0.5, 0.7]]


# ---- functions of the plane --------------------------------------------------------------------


def lines_drawn(ax):
    """The vertices of the contour lines."""
    return np.concatenate([path.vertices for path in ax.collections[0].get_paths()])


def test_the_decision_boundary_is_where_two_classes_are_equally_probable():
    ax = plots.decision_boundary(scores, np.float32([[0, 0], [1, 1]]), [0, 1], points=41)
    line = lines_drawn(ax)
    assert lines_drawn(plots.decision_boundary(scores, [[0, 0], [1, 1]], [0, 1])).size  # ints
    np.testing.assert_allclose(line[:, 0], 0.5, atol=1e-6)
    assert (line[:, 1].min(), line[:, 1].max()) == pytest.approx((-0.1, 1.1))


def test_the_colour_is_the_class_s_and_paler_where_it_is_less_sure():
    ax = plots.decision_boundary(scores, np.float32([[0, 0], [1, 1]]), [0, 1], points=41)
    row = ax.images[0].get_array()[20]
    assert row[0, 2] > row[0, 0]  # blue on the left
    assert row[-1, 0] > row[-1, 2]  # orange on the right
    assert row[20].min() > max(row[0].min(), row[-1].min())


def test_three_classes_meet_and_one_alone_has_no_boundary():
    x, y = np.float32([[1, 0], [0, 1], [-1, -1]]), [0, 1, 2]
    three = Tensor([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    drawn = plots.decision_boundary(lambda p: p @ three, x, y, points=21).collections
    assert len(drawn) == 6  # a line around each class, and its points
    assert len({collection.get_paths()[0].vertices.tobytes() for collection in drawn[3:]}) == 3
    alone = Tensor([9.0, 0.0, 0.0])
    ax = plots.decision_boundary(lambda p: p @ three * 0 + alone, x, y, points=21)
    offsets = np.concatenate([points.get_offsets() for points in ax.collections])
    np.testing.assert_array_equal(offsets, x)


def test_a_boundary_is_drawn_without_recording():
    weight = Tensor(np.eye(2), requires_grad=True)
    recorded = []

    def model(x):
        recorded.append((x @ weight).requires_grad)
        return x @ weight

    plots.decision_boundary(model, np.eye(2), [0, 1], points=3)
    assert recorded == [False]


def test_the_loss_surface_has_the_paths_by_name_and_room_for_them():
    paths = {"a": [[2, 1], [1, 0]], "b": [[2, 1], [0, -1], [np.inf, 0]]}
    ax = plots.loss_surface(bowl, paths, points=21, colours=["red", "blue"])
    named = {line.get_label(): line for line in ax.lines}
    assert {name: line.get_color() for name, line in named.items()} == {"a": "red", "b": "blue"}
    np.testing.assert_array_equal(named["a"].get_xydata(), paths["a"])
    assert ax.get_xlim() == pytest.approx((-0.2, 2.2))
    assert ax.get_ylim() == pytest.approx((-1.2, 1.2))


def test_on_a_contour_the_loss_is_the_same():
    ax = plots.loss_surface(bowl, {"a": [[-2, -2], [2, 2]]}, points=201)
    contours = ax.collections[1]
    assert len(contours.get_paths()) > 5
    for path in contours.get_paths():
        if len(path.vertices):
            losses = bowl(*path.vertices.T)
            assert losses.std() < 0.01 * losses.mean() + 1e-3


def test_a_flat_surface_can_be_drawn():
    plots.loss_surface(lambda x, y: x * 0 + y * 0, {"a": [[0, 0]]}, points=5)


def test_without_matplotlib_the_fix_is_named():
    code = "import sys; sys.modules['matplotlib'] = None; import tinygrad_sm.viz.plots"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert 'pip install "tinygrad-sm[viz]"' in result.stderr


def test_no_window_toolkit_is_loaded():
    code = "import tinygrad_sm.viz.plots, sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- inside a network --------------------------------------------------------------------------


def told(ax):
    return ax.texts[0].get_text()


def counted(ax):
    """How many values are in the bars."""
    return sum(bar.get_height() for bar in ax.patches)


def relu_net():
    model = nn.Sequential(nn.Linear(2, 4, bias=False), nn.ReLU(), nn.Linear(4, 1), nn.Tanh())
    model[0].weight.data = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [-1.0, -1.0]]
    model[2].weight.data = [[9.0, 9.0, 1.0, 1.0]]
    model[2].bias.data = [0.0]
    return model


def test_activations_have_a_panel_a_layer_which_tells_zeros_and_what_is_saturated():
    x = Tensor([[1.0, 2.0], [3.0, 0.0]])
    axes = plots.activation_histograms(relu_net(), x)
    assert [ax.get_title() for ax in axes] == ["0: Linear", "1: ReLU", "2: Linear", "3: Tanh"]
    assert told(axes[0]) == "37.5 % zeros, 1 of 4 units always 0"
    assert told(axes[1]) == "62.5 % zeros, 2 of 4 units always 0"
    assert told(axes[2]) == ""
    assert told(axes[3]) == "100 % saturated"
    assert [counted(ax) for ax in axes] == [5, 3, 2, 2]


def test_activations_of_a_layer_that_is_called_twice_come_together():
    class Twice(nn.Module):
        def __init__(self):
            self.relu, self.unused = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x) + 1)

    (ax,) = plots.activation_histograms(Twice(), Tensor([1.0, 2.0, float("nan")]))
    assert ax.get_title() == "relu: ReLU"
    assert counted(ax) == 4
    assert told(ax) == "2 not finite"


def test_a_shared_relu_has_the_units_of_each_of_its_calls():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(1, 2), relu, nn.Linear(2, 3), relu)
    for layer, bias in ((model[0], [-1.0, 1.0]), (model[2], [-1.0, -1.0, 1.0])):
        layer.weight.data = layer.weight.data * 0
        layer.bias.data = bias
    axes = plots.activation_histograms(model, Tensor([[1.0], [2.0]]))
    assert [ax.get_title() for ax in axes] == ["0: Linear", "1: ReLU", "2: Linear"]
    assert told(axes[1]) == "60 % zeros, 3 of 5 units always 0"


def test_activations_leave_no_hook_behind_even_if_the_model_fails():
    model = relu_net()
    recorded = []
    model[1].register_forward_hook(lambda layer, x, y: recorded.append(y.requires_grad))
    with pytest.raises(ValueError, match="linear"):
        plots.activation_histograms(model, Tensor([[1.0, 2.0, 3.0]]))
    axes = plots.activation_histograms(model, Tensor([[1.0, 2.0]]))
    before = [counted(ax) for ax in axes]
    model(Tensor([[1.0, 2.0]]))
    assert [counted(ax) for ax in axes] == before
    assert recorded == [False, True]

    class Empty(nn.Module):
        def __init__(self):
            self.inside = nn.ReLU()

        def forward(self, x):
            return x

    with pytest.raises(ValueError, match="Empty called none of its layers"):
        plots.activation_histograms(Empty(), Tensor([1.0]))


def test_gradients_have_one_logarithmic_axis_for_all_layers():
    model = relu_net()
    with pytest.raises(ValueError, match=r"no gradients: call backward\(\)"):
        plots.gradient_histograms(model)
    (model[:3](Tensor([[1e-4, 2e-4]])) * 3).sum().backward()
    axes = plots.gradient_histograms(model)
    assert [ax.get_title() for ax in axes] == ["0: Linear", "2: Linear"]
    assert {ax.get_xscale() for ax in axes} == {"log"}
    assert axes[0].get_xlim() == axes[1].get_xlim()
    low, high = axes[0].get_xlim()
    assert low < 3e-4
    assert high > 3
    assert told(axes[0]) == "50 % zeros"
    assert [counted(ax) for ax in axes] == [4, 3]


def test_gradients_that_are_all_zero_or_not_finite_can_be_drawn():
    model = nn.Linear(2, 1)
    model.weight.grad, model.bias.grad = np.zeros((1, 2)), np.array([np.nan])
    (ax,) = plots.gradient_histograms(model)
    assert ax.get_title() == "Linear"
    assert told(ax) == "66.7 % zeros, 1 not finite"
    ax.figure.savefig("/dev/null", format="png")


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
