//! Alignment of tab-separated cells, as in Docker.

use super::table::{COLUMN_GAP, MIN_COLUMN_WIDTH};

/// Returns `text` with its tabs replaced by spaces, so that the cells form columns.
pub(super) fn aligned(text: &str) -> String {
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let mut widths = Vec::new();
    for row in &rows {
        // The last cell of a line needs no padding.
        for (column, cell) in row[..row.len() - 1].iter().enumerate() {
            if column == widths.len() {
                widths.push(MIN_COLUMN_WIDTH);
            }
            widths[column] = widths[column].max(cell.chars().count() + COLUMN_GAP);
        }
    }
    let mut aligned = String::with_capacity(text.len() * 2);
    for row in &rows {
        let mut line = String::new();
        let (last, cells) = row.split_last().expect("a split has a last part");
        for (cell, width) in cells.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width.saturating_sub(cell.chars().count()));
        }
        line += last;
        aligned += line.trim_end();
        aligned += "\n";
    }
    aligned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_in_columns() {
        let text = "NAME\tTAG\tX\nlocalhost:5000/ünï\t3\nalone and longer than any\n\t\tz\n";
        insta::assert_snapshot!(aligned(text), @r"
        NAME                 TAG       X
        localhost:5000/ünï   3
        alone and longer than any
                                       z
        ");
        assert_eq!(aligned(""), "");
    }
}
