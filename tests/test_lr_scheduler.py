"""Schedules. Their values beside PyTorch's are in parity/test_optim_torch.py."""

import json

import pytest

import nn
from nn.optim import lr_scheduler
from tinygrad_sm import Tensor


def optimizer(lr=1.0, **options):
    p = Tensor([1.0], requires_grad=True)
    p.grad = [1.0]
    return nn.optim.SGD([p], lr=lr, **options)


MAKERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 4]),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 4),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.5**t),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=8),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5),
}


def test_every_schedule_has_a_case_and_is_in_nn_optim():
    schedules = {k for k, v in vars(lr_scheduler).items() if k.endswith(("LR", "Plateau"))}
    assert set(MAKERS) == schedules
    assert all(getattr(nn.optim, name) is getattr(lr_scheduler, name) for name in schedules)


def go_on(opt, schedule, metrics):
    path = []
    for metric in metrics:
        opt.step()
        schedule.step(*[metric] * isinstance(schedule, nn.optim.ReduceLROnPlateau))
        path.append((schedule.get_last_lr(), opt.params[0].item()))
    return path


@pytest.mark.parametrize("name", MAKERS)
def test_resuming_gives_the_same_bits(name):
    straight, resumed = optimizer(momentum=0.9), optimizer(lr=7.0, momentum=0.9)
    first, second = MAKERS[name](straight), MAKERS[name](resumed)
    go_on(straight, first, [5, 4, 4.5])
    resumed.load_state_dict(straight.state_dict())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))  # plain values only
    resumed.params[0].data = straight.params[0].data
    assert go_on(straight, first, [4, 3, 3.5, 3]) == go_on(resumed, second, [4, 3, 3.5, 3])


def test_a_group_that_is_added_later_takes_part():
    opt = optimizer()
    schedule = nn.optim.CosineAnnealingLR(opt, 4)
    schedule.step()
    opt.add_param_group({"params": Tensor([1.0], requires_grad=True), "lr": 2.0})
    schedule.step()
    assert len(schedule.get_last_lr()) == 2


MISTAKES = {
    "no optimizer": (lambda: lr_scheduler.StepLR(nn.Linear(1, 1), 2), TypeError, "a Linear"),
    "no step": (lambda: lr_scheduler.StepLR(optimizer(), 0), ValueError, "step_size .* got 0"),
    "factor": (lambda: lr_scheduler.ConstantLR(optimizer(), 0), ValueError, "factor .* got 0"),
    "start": (lambda: lr_scheduler.LinearLR(optimizer(), 2), ValueError, "start_factor .* got 2"),
    "end": (lambda: lr_scheduler.LinearLR(optimizer(), 1, 2), ValueError, "end_factor .* got 2"),
    "no wave": (lambda: lr_scheduler.CosineAnnealingLR(optimizer(), 0), ValueError, "T_max .* 0"),
    "functions": (
        lambda: lr_scheduler.LambdaLR(optimizer(), [abs, abs]),
        ValueError,
        "lr_lambda has 2 values for 1 groups",
    ),
    "length": (lambda: lr_scheduler.OneCycleLR(optimizer(), 1.0), ValueError, "total_steps"),
    "no length": (lambda: lr_scheduler.OneCycleLR(optimizer(), 1.0, 0), ValueError, "got 0"),
    "start of the fall": (
        lambda: lr_scheduler.OneCycleLR(optimizer(), 1.0, 9, pct_start=2),
        ValueError,
        "pct_start .* got 2",
    ),
    "strategy": (
        lambda: lr_scheduler.OneCycleLR(optimizer(), 1.0, 9, anneal_strategy="sine"),
        ValueError,
        "'cos' or 'linear', got 'sine'",
    ),
    "no momentum": (
        lambda: lr_scheduler.OneCycleLR(nn.optim.Adagrad(optimizer().params), 1.0, 9),
        ValueError,
        "Adagrad has neither momentum nor betas",
    ),
    "after the end": (
        lambda: [s := lr_scheduler.OneCycleLR(optimizer(), 1.0, 2), *(s.step() for _ in range(3))],
        ValueError,
        "cycle of 2 steps is over",
    ),
    "growth": (
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer(), factor=2),
        ValueError,
        "factor .* got 2",
    ),
    "mode": (lambda: lr_scheduler.ReduceLROnPlateau(optimizer(), "low"), ValueError, "got 'low'"),
    "threshold mode": (
        lambda: lr_scheduler.ReduceLROnPlateau(optimizer(), threshold_mode="both"),
        ValueError,
        "got 'both'",
    ),
    "nothing written": (
        lambda: lr_scheduler.LRScheduler(optimizer()),
        NotImplementedError,
        "next_lr",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes(what):
    do, error, message = MISTAKES[what]
    with pytest.raises(error, match=message):
        do()


@pytest.mark.parametrize("pct_start", [0.0, 0.1, 1.0])
def test_a_cycle_without_a_rise_or_a_fall(pct_start):
    opt = optimizer(momentum=0.9)
    schedule = nn.optim.OneCycleLR(opt, 1.0, total_steps=10, pct_start=pct_start)
    rates = [opt.lr]
    for _ in range(9):
        schedule.step()
        rates.append(opt.lr)
    assert max(rates) == pytest.approx(1.0, rel=0.1)
    assert min(rates) > 0
