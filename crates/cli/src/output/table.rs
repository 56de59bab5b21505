//! Tables in the style of Docker.

use std::io::{self, Write};

use windlass::text::escape;

/// The number of spaces between two columns.
pub(super) const COLUMN_GAP: usize = 3;
/// The least width of a column, in characters.
pub(super) const MIN_COLUMN_WIDTH: usize = 10;

/// A header and rows.
///
/// Control characters in cells are escaped (R9).
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Creates a table without rows.
    pub(crate) fn new(header: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| escape(&cell).into_owned()));
    }

    /// Writes the header and all rows.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row.iter().zip(widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(out, "{}", cells.concat().trim_end())?;
        }
        Ok(())
    }

    fn widths(&self) -> [usize; COLUMNS] {
        let mut widths = [MIN_COLUMN_WIDTH; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count() + COLUMN_GAP);
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<const COLUMNS: usize>(table: &Table<COLUMNS>) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_like_docker() {
        let mut table = Table::new(["REPOSITORY", "TAG", "SIZE"]);
        table.push(["alpine", "3.19", "7.38MB"].map(str::to_owned));
        table.push(["localhost:5000/ünï", "latest", "0B"].map(str::to_owned));
        insta::assert_snapshot!(written(&table), @r"
        REPOSITORY           TAG       SIZE
        alpine               3.19      7.38MB
        localhost:5000/ünï   latest    0B
        ");
    }

    #[test]
    fn control_characters_in_cells_are_escaped() {
        let mut table = Table::new(["A", "B"]);
        table.push(["x\ny".to_owned(), "\x1b[31m".to_owned()]);
        insta::assert_snapshot!(written(&table), @r"
        A         B
        x\ny      \u{1b}[31m
        ");
    }
}
