//! Columns as Docker aligns them: three spaces apart, none narrower than ten.

use std::io::{self, Write};

use windlass::text::escape;

pub(super) const GAP: usize = 3;
pub(super) const NARROWEST: usize = 10;

/// Rows under one header.
///
/// Cells are made harmless as they come in (R9), whoever wrote them.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Makes a table that has its header and no rows.
    pub(crate) fn new(header: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Adds a row below the others.
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
        let mut widths = [NARROWEST; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count() + GAP);
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
    fn columns_align_as_dockers_do() {
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
    fn cells_cannot_break_out_of_their_row() {
        let mut table = Table::new(["A", "B"]);
        table.push(["x\ny".to_owned(), "\x1b[31m".to_owned()]);
        insta::assert_snapshot!(written(&table), @r"
        A         B
        x\ny      \u{1b}[31m
        ");
    }
}
