"""What stands in a drawing, read from its DOT text."""

import re

BOX = re.compile(r'^\t+(n\d+) \[label="((?:[^"\\]|\\.)*)"', re.MULTILINE)
ARROW = re.compile(r"^\t+(n\d+) -> (n\d+)", re.MULTILINE)
FRAME = re.compile(r'subgraph cluster_m\d+ \{\n.*? label=("(?:[^"\\]|\\.)*"|\S+)')


def boxes(drawing):
    """The lines in each box, by id, oldest first."""
    found = {}
    for id_, label in sorted(BOX.findall(drawing.source), key=lambda found: int(found[0][1:])):
        text = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "l" else m[1], label)
        found[id_] = text.replace("&amp;", "&").rstrip("\n").split("\n")
    return found


def headlines(drawing):
    return [lines[0] for lines in boxes(drawing).values()]


def arrows(drawing):
    return ARROW.findall(drawing.source)


def frames(drawing):
    return [label.strip('"') for label in FRAME.findall(drawing.source)]
