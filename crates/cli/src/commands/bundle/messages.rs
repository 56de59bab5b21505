//! Warnings about a bundle.

use windlass::bundle::{BundleWarning, VolumeProblem};
use windlass::text::error_chain;

/// The maximum number of warnings to print; an image can cause any number.
const MAX_WARNINGS: usize = 10;

/// Returns the first warnings, and a line with the number of further ones.
pub(super) fn warnings(warnings: &[BundleWarning]) -> Vec<String> {
    let mut messages: Vec<_> = warnings.iter().take(MAX_WARNINGS).map(warning).collect();
    if let Some(others @ 1..) = warnings.len().checked_sub(MAX_WARNINGS) {
        messages.push(format!("and {others} more of this kind"));
    }
    messages
}

fn warning(warning: &BundleWarning) -> String {
    match warning {
        BundleWarning::Variable { text } => {
            format!("the image's variable {text:?} is left out: it is not of the form NAME=value")
        }
        BundleWarning::Label { key } => format!(
            "the image's label {key:?} is left out: a runtime could treat it as an instruction"
        ),
        BundleWarning::Volume { path, problem } => {
            let why = match problem {
                VolumeProblem::Path => "it is not an absolute path without `..` below /",
                VolumeProblem::System => "the system provides this path",
                VolumeProblem::NotADirectory => "the image has no directory there",
            };
            format!("the image's volume {path:?} is left out: {why}")
        }
        BundleWarning::Accounts { path, source } => {
            format!("the image's {path} is not used: {}", error_chain(source))
        }
    }
}

/// Quotes `word` for a shell.
pub(super) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use windlass::text::sanitize;

    use super::*;

    #[test]
    fn the_number_of_warnings_is_limited() {
        let warning = || BundleWarning::Variable {
            text: sanitize("A"),
        };
        let many = |count: usize| -> Vec<_> { (0..count).map(|_| warning()).collect() };
        assert_eq!(warnings(&many(0)).len(), 0);
        assert_eq!(warnings(&many(MAX_WARNINGS)).len(), MAX_WARNINGS);
        assert_eq!(
            warnings(&many(MAX_WARNINGS + 3))[MAX_WARNINGS],
            "and 3 more of this kind"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, shell) in [
            ("./box", "./box"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quote(word), shell);
        }
    }
}
