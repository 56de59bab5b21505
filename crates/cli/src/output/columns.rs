//! Lines whose cells end in tabs, aligned as Docker aligns them.

use super::table::{GAP, NARROWEST};

/// Returns `text` with spaces for its tabs, so that the cells behind them stand below each other.
pub(super) fn aligned(text: &str) -> String {
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let mut widths = Vec::new();
    for row in &rows {
        // The last cell of a line has nothing behind it.
        for (column, cell) in row[..row.len() - 1].iter().enumerate() {
            if column == widths.len() {
                widths.push(NARROWEST);
            }
            widths[column] = widths[column].max(cell.chars().count() + GAP);
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
    fn cells_stand_below_each_other() {
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
