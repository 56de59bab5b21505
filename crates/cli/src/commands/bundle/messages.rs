//! What people are told about a bundle.

use windlass::text::error_chain;
use windlass::{BundleWarning, VolumeProblem};

/// As many warnings as are shown; an image may cause any number.
const MOST: usize = 10;

/// Returns the warnings; of many, how many there are besides.
pub(super) fn warnings(warnings: &[BundleWarning]) -> Vec<String> {
    let mut words: Vec<_> = warnings.iter().take(MOST).map(warning).collect();
    if let Some(others @ 1..) = warnings.len().checked_sub(MOST) {
        words.push(format!("and {others} more of this kind"));
    }
    words
}

fn warning(warning: &BundleWarning) -> String {
    match warning {
        BundleWarning::Variable { text } => {
            format!("the image's variable {text:?} is left out: it is not of the form NAME=value")
        }
        BundleWarning::Label { key } => format!(
            "the image's label {key:?} is left out: a runtime might take it for a command to it"
        ),
        BundleWarning::Volume { path, problem } => {
            let why = match problem {
                VolumeProblem::Path => "it is not an absolute path without `..` below /",
                VolumeProblem::System => "what is there is not the image's",
                VolumeProblem::NotADirectory => "the image has no directory there",
            };
            format!("the image's volume {path:?} is left out: {why}")
        }
        BundleWarning::Accounts { path, source } => {
            format!("the image's {path} is not used: {}", error_chain(source))
        }
    }
}

/// Returns `word` as a shell takes it for one word.
pub(super) fn quoted(word: &str) -> String {
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
    fn of_many_warnings_some_are_shown() {
        let text = || BundleWarning::Variable {
            text: sanitize("A"),
        };
        let many = |count: usize| -> Vec<_> { (0..count).map(|_| text()).collect() };
        assert_eq!(warnings(&many(0)).len(), 0);
        assert_eq!(warnings(&many(MOST)).len(), MOST);
        assert_eq!(warnings(&many(MOST + 3))[MOST], "and 3 more of this kind");
    }

    #[test]
    fn a_shell_reads_one_word() {
        for (word, shell) in [
            ("./box", "./box"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(word), shell);
        }
    }
}
