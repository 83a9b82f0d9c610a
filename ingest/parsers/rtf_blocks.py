"""Paragraphs, items of lists and cells of rich text, put together to blocks."""

from __future__ import annotations

from ingest.parsers.builder import TextBuilder

_BULLET = "-"
_MAX_LIST_DEPTH = 20  # nesting beyond which list items are no longer indented
_MAX_DEFINED = 1_000  # cells of a row; those after them are read too, but not repeated where they are merged
_MAX_CELLS = 10_000  # of a row that is held in memory; a longer one goes on as another row
_MAX_ROWS = 100_000  # of a table that is held in memory; a longer one goes on as another table
_BETWEEN_NOTES = "\n\n"


class RtfBlocks:
    """Adds blocks to the builder as they end. `words` and `mark` are filled by the reader."""

    def __init__(self, builder: TextBuilder) -> None:
        self.words: list[str] = []  # of the paragraph
        self.mark: list[str] = []  # before it, where it is an item of a list: its number, or a bullet
        self.title = ""  # the first paragraph in the style of titles
        self._builder = builder
        self._notes: list[str] = []
        self._items: list[str] = []
        self._rows: list[list[str]] = []
        self._cells: list[str] = []  # of the row
        self._cell: list[str] = []  # paragraphs
        self._edges: list[tuple[int, str]] = []  # right edge of each cell of the row, and how it is merged
        self._merge = ""
        self._above: dict[int, str] = {}  # right edge -> text of the cell that may go on below

    def new_note(self) -> list[str]:
        """Where the words of a note or text box go, which follows the paragraph or table."""
        self._notes.append(_BETWEEN_NOTES)
        return self._notes

    def define_row(self) -> None:
        """A definition of the cells of a row begins."""
        self._edges.clear()

    def merge_cell(self, how: str) -> None:
        """The cell that is defined next is the "first" of those merged downwards, or goes on "below"."""
        self._merge = how

    def define_cell(self, edge: int) -> None:
        """The definition of a cell ends with its right edge."""
        if len(self._edges) < _MAX_DEFINED:
            self._edges.append((edge, self._merge))
        self._merge = ""

    def end_paragraph(self, level: int | None, depth: int, *, is_in_table: bool) -> None:
        """The words so far are a paragraph: 0 a title, from 1 on a heading, None text or an item of that depth."""
        is_item = bool("".join(self.mark).strip())
        text = self._line()
        if is_in_table:
            self._cell += filter(None, [text])
            return
        self._finish_table()
        if is_item and level is None:
            self._items.append("  " * max(0, min(depth, _MAX_LIST_DEPTH)) + " ".join(text.split()))
        else:
            self._finish_items()
            self._add(text, level)
        self._finish_notes()

    def end_cell(self) -> None:
        """The paragraphs so far are a cell."""
        self._cell.append(self._line())
        self._cells.append("\n".join(self._cell))
        self._cell.clear()
        if len(self._cells) >= _MAX_CELLS:
            self.end_row()

    def end_row(self) -> None:
        """The cells so far are a row; a cell merged downwards is repeated in it, so that it can be read alone."""
        if self.words or self._cell:
            self.end_cell()
        above: dict[int, str] = {}
        for at, (edge, merge) in enumerate(self._edges[: len(self._cells)]):
            if merge == "below":
                self._cells[at] = self._above.get(edge, self._cells[at])
            if merge:
                above[edge] = self._cells[at]
        self._above = above
        if any(self._cells):
            self._finish_items()
            self._rows.append(self._cells)
        self._cells = []
        if len(self._rows) >= _MAX_ROWS:
            self._finish_table()

    def finish(self) -> None:
        """Add what has not ended."""
        if self._cells or self._cell:
            self.end_row()
        self.end_paragraph(None, 0, is_in_table=False)
        self._finish_items()

    def _line(self) -> str:
        """The words of the paragraph behind their mark. A single letter is a bullet in a font of symbols."""
        text, mark = "".join(self.words).strip(), "".join(self.mark).strip()
        self.words.clear()
        self.mark.clear()
        if not (text and mark):
            return text
        is_number = mark.isdecimal() or (len(mark) > 1 and any(map(str.isalnum, mark)))
        return f"{mark if is_number else _BULLET} {text}"

    def _add(self, text: str, level: int | None) -> None:
        if level is None:
            self._builder.paragraph(text)
        else:
            self._builder.heading(text, max(level, 1))
            self.title = self.title or (text if level == 0 else "")

    def _finish_table(self) -> None:
        if self._cells or self._cell:
            self.end_row()
        if self._rows:
            self._builder.table(self._rows)
        self._rows = []
        self._above = {}

    def _finish_items(self) -> None:
        if self._items:
            self._builder.listing(self._items)
            self._items = []

    def _finish_notes(self) -> None:
        if self._notes:
            self._finish_items()
            for note in "".join(self._notes).split(_BETWEEN_NOTES):
                self._builder.paragraph(note)
            self._notes.clear()
