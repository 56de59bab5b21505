//! The page `docs/benchmarks.md`: an introduction, then a part for each measurement.

/// The introduction of the page.
const HEAD: &str = include_str!("preamble.md");

/// The start of the heading of a part.
const MARK: &str = "## ";

/// Returns `page` with `text` as its part `title`, which is added or replaced. The introduction is written
/// again.
pub(super) fn with_part(page: &str, title: &str, text: &str) -> String {
    let heading = format!("{MARK}{title}");
    let new = format!("{heading}\n\n{}\n", text.trim_end());
    let mut parts = parts(page);
    match parts
        .iter_mut()
        .find(|part| part.lines().next() == Some(&heading))
    {
        Some(old) => *old = new,
        None => parts.push(new),
    }
    let mut written = format!("{}\n", HEAD.trim_end());
    for part in parts {
        written.push('\n');
        written.push_str(part.trim_end());
        written.push('\n');
    }
    written
}

/// Returns the parts of `page`, each with its heading.
fn parts(page: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in page.lines() {
        if line.starts_with(MARK) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_replaced_and_the_others_stay() {
        let page = with_part("# Old\n\nhead\n", "Pull", "one\n\n### mixed\n");
        let page = with_part(&page, "In and out", "two");
        let body = |page: &str| page.strip_prefix(HEAD).unwrap().to_owned();
        let parts = "\n## Pull\n\none\n\n### mixed\n\n## In and out\n\ntwo\n";
        assert_eq!(body(&page), parts);
        let page = with_part(&page, "Pull", "three\n");
        let parts = "\n## Pull\n\nthree\n\n## In and out\n\ntwo\n";
        assert_eq!(body(&page), parts);
    }
}
