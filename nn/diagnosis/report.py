"""The report: what was measured and found, as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from nn.diagnosis.checks import Finding
from nn.diagnosis.measure import Layer, Measured, Run

WIDTH = 100


@dataclass(frozen=True)
class Column:
    """A column of the table of layers."""

    title: str
    width: int  # in text
    meaning: str
    cell: Callable[[Layer], str]


def number(value: float | None) -> str:
    """Two or three digits, in at most 7 characters and a sign; nothing for None."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    small = value != 0 and not 1e-2 <= abs(value) < 1e5
    return f"{value:.1e}" if small else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def share(value: float | None) -> str:
    """A share in per cent; nothing for None."""
    return "" if value is None else f"{value:.0%}"


def some(value: float | None) -> str:
    """The same, but nothing for a share of 0 too."""
    return share(value) if value else ""


COLUMNS = (
    Column("mean", 8, "of the outputs", lambda r: number(r.mean)),
    Column("std", 7, "standard deviation of the outputs", lambda r: number(r.std)),
    Column("dead", 4, "ReLUs that are 0 for every example", lambda r: share(r.dead)),
    Column("flat", 4, "tanh or sigmoid values at their flat ends", lambda r: share(r.saturated)),
    Column("‖∂out‖", 7, "norm of the gradient at the output", lambda r: number(r.signal)),
    Column("‖w‖", 7, "norm of the weights", lambda r: number(r.weight_norm)),
    Column("‖∂w‖", 7, "norm of their gradient", lambda r: number(r.gradient_norm)),
    Column("tiny", 4, "gradients too small to change their weight", lambda r: some(r.vanished)),
    Column("huge", 4, "gradients above 1000 times the weights", lambda r: some(r.exploded)),
    Column("Δw/w", 7, "first step beside the weights", lambda r: number(r.update_ratio)),
)


class Report:
    """What `diagnose` found. Print it, or let a notebook show it.

    findings: all of them, the warnings first; each a `Finding`.
    layers: the rows of the table, in the order in which they were computed; each a `Layer`.
    loss: at the start.
    baseline: the loss of equal scores for all classes (ln C), or of the mean as the prediction;
        None for a loss that is not known.
    run: the losses of the steps with this one batch, or None.
    """

    def __init__(self, seen: Measured, findings: list[Finding]) -> None:
        self.findings = findings
        self.layers: list[Layer] = seen.layers
        self.loss = seen.loss
        self.baseline = seen.baseline
        self.run: Run | None = seen.run
        self.title = f"{seen.model} with {seen.loss_fn}, {seen.examples} examples"
        self.summary = _summary(seen)

    @property
    def warnings(self) -> list[Finding]:
        """The findings that are wrong in any program."""
        return [f for f in self.findings if f.severity == "warning"]

    @property
    def notes(self) -> list[Finding]:
        """The findings that may be meant."""
        return [f for f in self.findings if f.severity == "note"]

    @property
    def verdict(self) -> str:
        """How many findings there are, in words."""
        counts = ((len(self.warnings), "warning"), (len(self.notes), "note"))
        words = [f"{n} {word}{'s' * (n > 1)}" for n, word in counts if n]
        return ", ".join(words) or "nothing to complain of"

    def _columns(self) -> list[Column]:
        """Those with something in them."""
        return [c for c in COLUMNS if any(c.cell(row) for row in self.layers)]

    def _place(self, finding: Finding) -> str:
        """Where it was found, as a reader looks for it."""
        if finding.layer is None:
            return ""
        known = any(row.name == finding.layer for row in self.layers)
        return f"layer {finding.layer}" if known else finding.layer

    def _legend(self) -> str:
        return "; ".join(f"{c.title}: {c.meaning}" for c in self._columns()) + "."

    def __str__(self) -> str:
        lines = [*_wrapped(f"{self.title}: {self.verdict}", "", ""), ""]
        for label, text in self.summary:
            lines += _wrapped(text, f"{label:<12}", " " * 12)
        if self.layers:
            lines += ["", *self._table(), "", *_wrapped(self._legend(), "", "")]
        for f in self.findings:
            place = self._place(f)
            lines += ["", *_wrapped(f"{f.severity}: {f.code}{place and f' in {place}'}", "", "  ")]
            for label, text in (("", f.message), ("why: ", f.why), ("try: ", f.advice)):
                lines += _wrapped(text, f"  {label}", "  " + " " * len(label))
        return "\n".join(lines)

    __repr__ = __str__

    def _table(self) -> list[str]:
        columns = self._columns()
        room = WIDTH - sum(c.width + 1 for c in columns)
        shape = min(max(6, *(len(_shape(r)) for r in self.layers)), 17)
        name = min(max(5, *(len(_name(r)) for r in self.layers)), room - shape - 1)
        titles = "".join(f" {c.title:>{c.width}}" for c in columns)
        lines = [f"{'layer':<{name}} {'output':<{shape}}{titles}"]
        for r in self.layers:
            cells = "".join(f" {c.cell(r):>{c.width}}" for c in columns)
            lines.append(f"{_cut(_name(r), name)} {_cut(_shape(r), shape)}{cells}")
        return [line.rstrip() for line in lines]

    def _repr_html_(self) -> str:
        """The report as a notebook shows it. All names are escaped; colours fit light and dark."""
        columns = self._columns()
        facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in self.summary)
        heads = "".join(f"<th>{escape(c.title)}</th>" for c in columns)
        marked = {f.layer: f.severity for f in reversed(self.findings) if f.layer}
        rows = "".join(
            f'<tr class="{marked.get(r.name, "")}"><th>{escape(r.name)}</th>'
            f"<td>{escape(r.kind)}</td><td>{escape(_shape(r))}</td>"
            + "".join(f"<td>{escape(c.cell(r))}</td>" for c in columns)
            + "</tr>"
            for r in self.layers
        )
        table = (
            "<div class='scroll'><table><thead><tr><th>layer</th><th>kind</th><th>output</th>"
            f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
            f"<p class='legend'>{escape(self._legend())}</p>"
        )
        found = "".join(
            f'<li class="{f.severity}"><p><b>{f.severity}</b> <code>{escape(f.code)}</code>'
            + (f" in {escape(self._place(f))}" if f.layer else "")
            + f"</p><p>{escape(f.message)}</p><p><i>Why it matters</i> {escape(f.why)}</p>"
            f"<p><i>What to try</i> {escape(f.advice)}</p></li>"
            for f in self.findings
        )
        return (
            f'<div class="nn-diagnosis"><style>{STYLE}</style>'
            f"<h3>{escape(self.title)}: {escape(self.verdict)}</h3><dl>{facts}</dl>"
            f"{table if self.layers else ''}<ul>{found}</ul></div>"
        )

    def html(self) -> str:
        """The report as a page of its own: `Path("report.html").write_text(report.html())`."""
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            '<meta name="color-scheme" content="light dark">'
            f"<title>{escape(self.title)}</title></head>"
            '<body style="margin: 2rem auto; max-width: 64rem; padding: 0 1rem">'
            f"{self._repr_html_()}</body></html>\n"
        )


STYLE = """
.nn-diagnosis { font: 15px/1.5 system-ui, sans-serif; }
.nn-diagnosis h3 { font-size: 1.15rem; margin: 0 0 .8rem; overflow-wrap: anywhere; }
.nn-diagnosis dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem;
  margin: 0 0 1rem; }
.nn-diagnosis dt { opacity: .75; }
.nn-diagnosis dd { margin: 0; overflow-wrap: anywhere; }
.nn-diagnosis .scroll { overflow-x: auto; }
.nn-diagnosis table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.nn-diagnosis tr { background: none !important; }
.nn-diagnosis :is(th, td) { padding: .25rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid rgba(128, 128, 128, .35); }
.nn-diagnosis :is(th, td):nth-child(-n + 3) { text-align: left; }
.nn-diagnosis tbody th { font-weight: 600; border-left: 4px solid transparent; }
.nn-diagnosis tr.warning th { border-left-color: #d0433f; }
.nn-diagnosis tr.note th { border-left-color: #b98900; }
.nn-diagnosis .legend { font-size: .85em; opacity: .75; margin: .5rem 0 0; max-width: 62rem; }
.nn-diagnosis ul { list-style: none; margin: 1.2rem 0 0; padding: 0; }
.nn-diagnosis li { margin: 0 0 1rem; padding: .5rem .9rem; border-left: 4px solid #b98900;
  background: rgba(128, 128, 128, .1); border-radius: 0 8px 8px 0; }
.nn-diagnosis li.warning { border-left-color: #d0433f; }
.nn-diagnosis li p { margin: .15rem 0; max-width: 75ch; overflow-wrap: anywhere; }
.nn-diagnosis li b { color: #fff; background: #7a5b00; border-radius: 4px; padding: .05rem .45rem;
  font-size: .85em; }
.nn-diagnosis li.warning b { background: #b3302c; }
.nn-diagnosis li i { font-style: normal; font-weight: 600; margin-right: .3rem; }
"""


def _summary(seen: Measured) -> list[tuple[str, str]]:
    """The facts that have no table, with their labels."""
    x = seen.x
    text = f"{x.dtype} {x.shape}"
    if x.size and x.dtype.kind == "f":
        values = x.astype(float)
        text += (
            f", from {number(values.min())} to {number(values.max())}, "
            f"mean {number(values.mean())}, std {number(values.std())}"
        )
    facts = [("input", text)]
    counts = seen.class_counts
    if counts is not None:
        spread = f"{counts.min()} to {counts.max()} examples each"
        facts.append(("classes", f"{(counts > 0).sum()} of {len(counts)}, {spread}"))
    facts.append(("loss", f"{seen.loss:.4g} at the start{_beside(seen)}"))
    if seen.run is not None:
        first, last = seen.run.losses[0], seen.run.losses[-1]
        text = f"loss {first:.4g} → {last:.4g} in {seen.run.steps} steps of {seen.run.optimizer}"
        facts.append(("one batch", text))
    elif seen.no_run:
        facts.append(("one batch", f"not tried: {seen.no_run}"))
    return facts


def _beside(seen: Measured) -> str:
    """What to compare the loss at the start with."""
    if seen.baseline is None:
        return ""
    if seen.loss_kind == "mse_loss":
        return f"; {seen.baseline:.4g} for the mean as the prediction"
    choices = seen.output.shape[1] if seen.loss_kind == "cross_entropy" else 2
    logarithm = (
        f"ln {choices} = " if math.isclose(seen.baseline, math.log(choices), rel_tol=1e-5) else ""
    )
    return f"; {logarithm}{seen.baseline:.4g} for equal scores"


def _name(row: Layer) -> str:
    """The layer's name, and its class where that is something else."""
    return (
        row.name if row.kind == row.name.split(".")[-1].split(" ")[0] else f"{row.name} {row.kind}"
    )


def _shape(row: Layer) -> str:
    return "×".join(map(str, row.shape))


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest) or [first]
