"""Graph: nodes, names, modules, gradients and rules, as plain data."""

import numpy as np
import pytest

import nn
from tinygrad_sm import Graph, Tensor, grad, graph
from tinygrad_sm.ops import TABLE, Op


def by_name(nodes):
    return {node.name: node for node in nodes if node.name}


def by_op(nodes):
    return {node.op: node for node in nodes if node.op}


def softmax_regression():
    x, labels = Tensor(np.ones((4, 3), np.float32), name="x"), Tensor(np.array([0, 1, 1, 0]))
    model = nn.Linear(3, 2)
    return model, nn.CrossEntropyLoss()(model(x), labels)


# ---- nodes -------------------------------------------------------------------------------------


def test_every_ancestor_is_a_node_oldest_first():
    a = Tensor(2.0, requires_grad=True, name="a")
    mask = Tensor([1.0, 0.0], name="mask")
    loss = (a * mask + 1).sum()
    nodes = Graph(loss).nodes
    assert [(n.id, n.kind, n.op, n.inputs) for n in nodes] == [
        ("n0", "parameter", None, ()),
        ("n1", "input", None, ()),
        ("n2", "operation", "multiply", ("n0", "n1")),
        ("n3", "constant", None, ()),
        ("n4", "operation", "add", ("n2", "n3")),
        ("n5", "loss", "sum", ("n4",)),
    ]
    assert nodes[5].attributes == {"axis": None, "keepdims": False}
    assert nodes[2].roles == ("a", "b")
    assert nodes[2].shape == (2,)


def test_an_input_used_twice_keeps_both_edges_and_their_order():
    x, y = Tensor(2.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    assert Graph(x + x).nodes[-1].inputs == ("n0", "n0")
    assert Graph(y - x).nodes[-1].inputs == ("n1", "n0")


def test_ids_do_not_depend_on_what_was_computed_before():
    def ids():
        x = Tensor(2.0, requires_grad=True)
        return [(n.id, n.inputs) for n in Graph((x * x).exp()).nodes]

    first = ids()
    Tensor([1.0]) + Tensor([2.0])
    assert ids() == first


def test_only_a_result_of_one_element_is_a_loss():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert Graph(x * x).nodes[-1].kind == "operation"
    assert Graph((x * x).sum()).nodes[-1].kind == "loss"
    assert Graph(x).nodes[-1].kind == "parameter"
    assert Graph(Tensor([1.0])).nodes[-1].kind == "input"


def test_a_chain_of_100_000_nodes():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = -y
    y.backward()
    nodes = Graph(y).nodes
    assert len(nodes) == 100_001
    assert nodes[1].gradient == -1.0
    assert nodes[0].gradient == x.grad == 1.0


def test_a_diamond_is_as_many_nodes_as_tensors():
    x = Tensor(1.0, requires_grad=True)
    for _ in range(100):
        x = x + x
    nodes = Graph(x).nodes
    assert len(nodes) == 101
    assert sum(len(n.inputs) for n in nodes) == 200


def test_values_are_read_only_views():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * 2).sum()
    loss.backward()
    for node in Graph(loss).nodes:
        assert not node.value.flags.writeable
        assert node.gradient is None or not node.gradient.flags.writeable
    assert x.grad.flags.writeable


def test_something_else_than_a_tensor():
    with pytest.raises(TypeError, match=r"Linear.*result of calling it"):
        Graph(nn.Linear(2, 2))


# ---- gradients ---------------------------------------------------------------------------------


def test_gradients_of_inner_tensors_are_those_of_the_backward_pass():
    x = Tensor([[0.5, -1.0], [2.0, 0.1]], requires_grad=True)
    a = x.exp()
    b = a @ x
    loss = (b.tanh() * a).mean()
    loss.backward()
    expected = grad(loss, [x, a, b])
    nodes = Graph(loss).nodes
    for node, g in zip(nodes, expected, strict=False):
        np.testing.assert_array_equal(node.gradient, g.numpy())
        assert node.note == ""
    assert nodes[-1].gradient == 1


def test_before_backward_there_is_a_reason_instead_of_a_gradient():
    _, loss = softmax_regression()
    for node in Graph(loss).nodes:
        assert node.gradient is None
        needs_one = node.kind != "input"
        assert node.note == (
            "no gradient yet: call backward()" if needs_one else "needs no gradient"
        )


def test_a_value_that_was_changed_since_hides_what_is_behind_it():
    x = Tensor(3.0, requires_grad=True, name="x")
    h = x * x
    w = Tensor(2.0, requires_grad=True, name="w")
    loss = (h * w).exp()
    loss.backward()
    w.data -= 1.0
    nodes = Graph(loss).nodes
    multiplies = [n for n in nodes if n.op == "multiply"]
    assert multiplies[1].gradient is not None  # the product itself
    assert multiplies[0].gradient is None
    assert multiplies[0].note == "gradient unknown: a value was changed since"
    assert by_name(nodes)["x"].gradient == x.grad


def test_a_gradient_that_was_cleared_is_not_a_zero():
    x = Tensor(3.0, requires_grad=True)
    loss = x * x
    loss.backward()
    x.grad = None
    node = Graph(loss).nodes[0]
    assert node.gradient is None
    assert node.note == "gradient cleared since, as by zero_grad()"
    x.backward()
    x.grad = None
    assert Graph(x).nodes[0].note == "gradient cleared since, as by zero_grad()"


def test_gradients_of_inner_tensors_start_from_what_backward_was_given():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x) * 2
    y.backward(gradient=np.array([10.0, 100.0]))
    nodes = [node.gradient.tolist() for node in Graph(y).nodes if node.kind != "constant"]
    assert nodes == [[40, 800], [20, 200], [10, 100]]


def test_a_retained_gradient_is_shown():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).retain_grad()
    (z := y * 2).backward([10.0, 0.0])
    np.testing.assert_array_equal(Graph(z).nodes[1].gradient, [20.0, 0.0])


def test_looking_changes_nothing_and_calls_no_hook():
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    calls = []
    y.register_hook(lambda g: calls.append(g))
    x.register_hook(lambda g: calls.append(g))
    loss = y * 2
    loss.backward()
    assert len(calls) == 2
    before = x.grad.copy()
    for _ in range(2):
        Graph(loss)
    assert len(calls) == 2
    assert x.grad == before
    assert y.grad is None
    loss.backward()  # and the graph can still be gone back through
    assert x.grad == 2 * before


def test_recomputing_a_gradient_warns_of_nothing():
    x = Tensor([0.0, 1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        loss = x.log().sum()
        loss.backward()
    assert Graph(loss).nodes[0].gradient[0] == np.inf


def test_gradients_of_some_nodes_only():
    model, loss = softmax_regression()
    loss.backward()
    plain, full = Graph(loss, grads=False), Graph(loss)
    assert {n.gradient for n in plain.nodes} == {None}
    assert by_name(plain.nodes)["weight"].note == "not asked for"
    some = plain.with_gradients({"n0", full.nodes[-2].id})
    assert len(some) == 2
    for node in some:
        twin = next(n for n in full.nodes if n.id == node.id)
        np.testing.assert_array_equal(node.gradient, twin.gradient)
    del model


def test_the_place_in_the_backward_pass():
    x = Tensor(3.0, requires_grad=True)
    loss = (x * 2).exp()
    assert [(n.op, n.place) for n in Graph(loss).nodes] == [
        (None, 2),
        (None, None),
        ("multiply", 1),
        ("exp", 0),
    ]


# ---- names and modules -------------------------------------------------------------------------


def path(node):
    return [f"{m.name}: {m.kind}" if m.name else m.kind for m in node.modules]


def test_names_and_modules_come_by_themselves():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    loss = nn.CrossEntropyLoss()(model(Tensor(np.ones((5, 3)), name="x")), [0, 1, 0, 1, 1])
    nodes = Graph(loss).nodes
    names = by_name(nodes)
    assert set(names) == {"x", "0.weight", "0.bias", "2.weight", "2.bias"}
    assert path(names["0.weight"]) == ["Sequential", "0: Linear"]
    assert path(names["x"]) == []
    ops = by_op(nodes)
    assert path(ops["relu"]) == ["Sequential", "1: ReLU"]
    assert path(ops["cross_entropy"]) == ["CrossEntropyLoss"]
    labels = [n for n in nodes if n.kind == "input" and n.name is None]
    assert [path(n) for n in labels] == [[]]  # made in the loss, yet not a part of it


def test_names_through_attributes_lists_and_modules_of_ones_own():
    class Block(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

        def forward(self, x):
            return x + self.fc(x)

    class Net(nn.Module):
        def __init__(self):
            self.blocks = [Block(), Block()]
            self.scale = nn.Parameter([1.0, 2.0])

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x * self.scale

    nodes = Graph(Net()(Tensor([[1.0, 2.0]]))).nodes
    names = by_name(nodes)
    assert path(names["blocks.1.fc.bias"]) == ["Net", "blocks.1: Block", "blocks.1.fc: Linear"]
    assert path(names["scale"]) == ["Net"]
    assert [path(n)[-1] for n in nodes if n.op == "add"] == ["blocks.0: Block", "blocks.1: Block"]


def test_a_name_given_by_the_user_stays():
    model = nn.Linear(1, 1)
    model.weight.name = "slope"
    assert set(by_name(Graph(model(Tensor([[1.0]]))).nodes)) == {"slope", "bias"}


def test_a_frozen_parameter_is_still_one():
    model = nn.Linear(1, 1)
    model.weight.requires_grad = False
    node = by_name(Graph(model(Tensor([[1.0]]))).nodes)["weight"]
    assert (node.kind, node.note) == ("parameter", "needs no gradient")


def test_each_call_of_a_module_is_one_of_its_own():
    cell = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    h = cell(cell(Tensor([[1.0, 0.0]])))
    nodes = Graph(h).nodes
    first, second = (n.modules for n in nodes if n.op == "tanh")
    assert first[0] != second[0]
    assert (first[0].call, second[0].call) == (1, 2)
    assert [m.id for m in (*first, *second)] == ["m0", "m2", "m3", "m5"]
    # The parameters are one node each, in neither of the calls that share them.
    assert [(n.name, n.modules) for n in nodes if n.kind == "parameter"] == [
        ("0.weight", ()),
        ("0.bias", ()),
    ]


def test_a_shared_parameter_stands_where_all_its_uses_are():
    class Tied(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    nodes = Graph(Tied()(Tensor([[1.0, 0.0]]))).nodes
    assert [(n.name, path(n)) for n in nodes if n.kind == "parameter"] == [("a.weight", ["Tied"])]


def test_two_modules_without_an_outer_one_are_two():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    nodes = Graph(two(one(Tensor([[1.0, 0.0]])))).nodes
    first, second = (n.modules for n in nodes if n.op)
    assert first != second
    assert {len(n.modules) for n in nodes if n.kind == "parameter"} == {1}


def test_a_module_that_returns_what_it_was_given_made_nothing():
    class Identity(nn.Module):
        def forward(self, x):
            return x

    model = nn.Sequential(nn.Linear(2, 2), Identity())
    x = Identity()(Tensor([[1.0, 0.0]], name="x"))
    nodes = Graph(model(x)).nodes
    assert path(nodes[-1]) == ["Sequential", "0: Linear"]
    assert path(by_name(nodes)["x"]) == []


def test_deeply_nested_modules():
    model = nn.ReLU()
    for _ in range(60):
        model = nn.Sequential(model)
    nodes = Graph(model(Tensor([1.0], requires_grad=True))).nodes
    assert len(nodes[-1].modules) == 61
    assert len({n.modules for n in nodes}) == 2  # hashing is no work either


def test_a_module_that_keeps_an_inner_result_back():
    class Keeper(nn.Module):
        def forward(self, x):
            self.kept = x.exp()
            return self.kept.tanh()

    class Outer(nn.Module):
        def __init__(self):
            self.inner = Keeper()

        def forward(self, x):
            self.late = self.inner(x)
            return self.inner.kept

    outer = Outer()
    y = outer(Tensor([1.0], requires_grad=True))
    nodes = Graph(y * outer.late).nodes
    # Calls that do not end inside one another are drawn side by side.
    assert [path(n) for n in nodes if n.op] == [["Outer"], ["Keeper"], []]


def test_the_engine_asks_a_module_for_no_more_than_its_names():
    class Layer:
        def __init__(self):
            self.w = Tensor([2.0], requires_grad=True)

        def named_parameters(self):
            yield "w", self.w

        def named_modules(self):
            yield "", self

        def __call__(self, x):
            start = x.number
            y = x * self.w
            y.scope = (self, start, y.scope)
            return y

    class Bare:
        pass

    y = Layer()(Tensor([1.0]))
    node = by_name(Graph(y).nodes)["w"]
    assert (node.kind, path(node)) == ("parameter", ["Layer"])
    z = y * 2
    z.scope = (Bare(), y.number, None)
    assert path(Graph(z).nodes[-1]) == ["Bare"]


# ---- rules in words ----------------------------------------------------------------------------


@pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: op.name)
def test_every_rule_has_words(op):
    words = graph._rules(op)
    assert len(words) == len(op.rules)
    assert all(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tanh", ("g * (1 - y * y)",)),
        ("multiply", ("g * b", "g * a")),
        ("subtract", ("g", "-g")),
        ("where", ("no derivative", "where(condition, g, 0)", "where(condition, 0, g)")),
    ],
)
def test_rules_are_the_expressions_of_their_source(name, words):
    assert graph._rules(TABLE[name]) == words


def test_rules_are_part_of_a_node():
    x = Tensor(2.0, requires_grad=True)
    assert Graph(x.tanh()).nodes[-1].rules == ("g * (1 - y * y)",)
    assert Graph(x).nodes[-1].rules == ()


def first_sentence(g, y, x):
    """0.5 of the gradient,
    twice. And more."""


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (first_sentence, "0.5 of the gradient, twice"),
        (None, "no derivative"),
        (eval("lambda g, y, x: g * 2"), ""),  # no source to read
        (np.negative.reduce, None),
        (lambda g, y, x: [lambda: x, lambda: y][0](), "[lambda: x, lambda: y][0]()"),
        (lambda g, y, x: (g + y) * (x - 1), "(g + y) * (x - 1)"),
    ],
)
def test_rules_of_all_kinds(rule, words):
    found = graph._in_words(rule)
    assert found == words if words is not None else isinstance(found, str)


def test_roles_are_the_names_in_the_rules():
    assert graph._roles(TABLE["linear"], 3) == ("x", "weight", "bias")
    assert graph._roles(TABLE["linear"], 2) == ("x", "weight")
    before = dict(TABLE)
    try:
        many = Op("many", np.add, lambda g, y, *inputs: g)
        assert graph._roles(many, 3) == ("", "", "")
        assert graph._roles(Op("none", np.add), 1) == ("",)
    finally:
        for name in TABLE.keys() - before.keys():
            del TABLE[name]
