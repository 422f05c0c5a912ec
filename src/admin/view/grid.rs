//! Tables of text without lines: easy to read, to cut and to paste.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table};

use crate::admin::answer::Paint;

/// Rows under a header.
pub(super) struct Grid {
    table: Table,
}

impl Grid {
    pub fn new(header: &[&str], paint: Paint) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if paint.colours {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(header);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table }
    }

    /// Aligns these columns to the right.
    pub fn numbers(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.table.add_row(cells);
    }

    /// The grid with a line ending at its end.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        lines.concat()
    }
}

/// A cell that asks for attention where `wanted`.
pub(super) fn alarming(text: &str, wanted: bool) -> Cell {
    let cell = Cell::new(text);
    if wanted { cell.fg(Color::Red) } else { cell }
}

/// A cell for a number.
pub(super) fn number(number: impl ToString) -> Cell {
    Cell::new(number)
}
