"""Drawing: a graphviz drawing that is laid out on any machine.

Graphviz's `dot` program does that if it is installed and works; if not, the pygraphviz package,
which carries Graphviz in-process (`pip install "tinygrad-sm[viz]"`).
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphviz

_FAILURES = (graphviz.ExecutableNotFound, subprocess.SubprocessError, OSError)


class RenderError(RuntimeError):
    """A drawing that cannot be laid out on this machine."""


class Drawing(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that also renders where there is no `dot` program, or a broken one."""

    def pipe(
        self,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        *,
        engine: str | None = None,
        encoding: str | None = None,
    ) -> Any:
        """The picture as bytes, or as text where `encoding` is given.

        format: "svg", "png", "pdf", …; the rest as in `graphviz.Digraph.pipe`.
        """
        format, engine = format or self.format, engine or self.engine
        source = self.source.encode()
        try:
            # quiet: what a broken program complains about is told below, if it matters.
            data = graphviz.pipe(
                engine,
                format,
                source,
                renderer=renderer,
                formatter=formatter,
                neato_no_op=neato_no_op,
                quiet=True,
            )
        except _FAILURES as error:
            data = _in_process(self.source, format, engine, error, "Its DOT text is in .source.")
        if format == "svg":
            data = _scalable(data)
        return data.decode(encoding) if encoding else data

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        quiet_view: bool = False,
        *,
        outfile: Any = None,
        engine: str | None = None,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
    ) -> str:
        """Write the DOT text to `filename` and the picture beside it; return the picture's path.

        filename: of the DOT text; the picture's has the format added, as in `graph.gv.png`.
        outfile: of the picture instead, such as "graph.svg"; the DOT text is beside it.
        cleanup: remove the DOT text in the end.
        The rest as in `graphviz.Digraph.render`.

        Raises RenderError if neither the `dot` program nor pygraphviz does it; the DOT text stays.
        """
        try:
            picture: str = super().render(
                filename=filename,
                directory=directory,
                view=view,
                cleanup=cleanup,
                format=format,
                renderer=renderer,
                formatter=formatter,
                neato_no_op=neato_no_op,
                quiet=True,
                quiet_view=quiet_view,
                outfile=outfile,
                engine=engine,
                raise_if_result_exists=raise_if_result_exists,
                overwrite_source=overwrite_source,
            )
            if picture.endswith(".svg"):
                Path(picture).write_bytes(_scalable(Path(picture).read_bytes()))
            return picture
        except FileExistsError:
            raise
        except _FAILURES as error:
            # The DOT text is saved by now, in self.filepath.
            failure = error
        if outfile is not None:
            format = format or Path(outfile).suffix[1:]
            target = Path(outfile) if directory is not None else Path(self.directory, outfile)
        else:
            format = format or self.format
            target = Path(f"{self.filepath}.{format}")
        kept = f"Its DOT text is kept in {self.filepath}."
        data = _in_process(self.source, format, engine or self.engine, failure, kept)
        target.write_bytes(_scalable(data) if format == "svg" else data)
        if cleanup:
            Path(self.filepath).unlink()
        if view or quiet_view:
            graphviz.view(target, quiet=quiet_view)
        return str(target)

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, Any]:
        """What a notebook shows: the picture, or the DOT text and how to get the picture."""
        try:
            bundle: dict[str, Any] = super()._repr_mimebundle_(*args, **options)
            return bundle
        except RenderError as error:
            return {"text/plain": f"{error}\n\n{self.source}"}


def _scalable(svg: bytes) -> bytes:
    """Let a picture shrink to the width of what it stands in."""
    size = rb'(<svg width="[\d.]+pt") height="[\d.]+pt"'
    return re.sub(size, rb'\1 style="max-width:100%;height:auto"', svg, count=1)


def _in_process(source: str, format: str, engine: str, failure: Exception, kept: str) -> bytes:
    """Lay out DOT text with the Graphviz library that the pygraphviz package carries.

    failure: how the `dot` program failed. kept: where the DOT text is found.
    """
    try:
        import pygraphviz
    except ImportError:
        missing = isinstance(failure, graphviz.ExecutableNotFound)
        raise RenderError(
            f"the drawing cannot be laid out: there is no Graphviz on this machine"
            f"{'' if missing else f' that works ({failure})'}. "
            f'Use: pip install "tinygrad-sm[viz]"\n{kept}'
        ) from failure
    try:
        with _no_stderr():
            data: bytes = pygraphviz.AGraph(string=source).draw(format=format, prog=engine)
    except (ValueError, TypeError, OSError) as error:  # TypeError: of a format it does not have
        raise RenderError(
            f"pygraphviz cannot lay out the drawing as {format!r}: {error}. "
            f"Formats that always work: svg, png, pdf. {kept}"
        ) from error
    return data


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Keep the C library's remarks about the machine's fonts off the screen."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
