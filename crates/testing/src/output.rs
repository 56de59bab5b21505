//! Makes output and error messages comparable from run to run.

use std::process::Output;

/// Replaces what differs from run to run in the output of the command: given texts, digests, times.
///
/// ```
/// use windlass_testing::OutputMasks;
///
/// let mut masks = OutputMasks::default();
/// masks.add(&"127.0.0.1:4711", "registry.test");
/// let line = "pulled 127.0.0.1:4711/app:1@sha256:0ff1ce in 1.5s";
/// assert_eq!(masks.apply(line), "pulled registry.test/app:1@sha256:[digest] in [time]s");
/// ```
#[derive(Clone, Debug, Default)]
pub struct OutputMasks {
    replacements: Vec<(String, String)>,
}

impl OutputMasks {
    /// Replaces `text` by `name`.
    pub fn add(&mut self, text: &impl ToString, name: &str) {
        self.replacements.push((text.to_string(), name.to_owned()));
    }

    /// Returns `text` with all replacements.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (actual, name) in &self.replacements {
            text = text.replace(actual, name);
        }
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let text = replace_between(&text, ["sha256:", ""], char::is_alphanumeric, "[digest]");
        let text = replace_between(&text, ["/ingest/", ""], char::is_alphanumeric, "[name]");
        let text = replace_before(&text, " years ago", "[age]");
        let text = replace_between(&text, [" in ", "s"], is_number, "[time]");
        replace_between(&text, ["\"duration_ms\":", ""], is_number, "0")
    }

    /// Returns the exit code and the output of a run as one text, with all replacements.
    ///
    /// # Panics
    /// If the output is not UTF-8.
    pub fn show(&self, output: &Output) -> String {
        let text = |bytes| std::str::from_utf8(bytes).expect("output is UTF-8");
        self.show_parts(
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// The same for a run whose output was read already; without an exit code, a signal ended it.
    pub fn show_parts(&self, code: Option<i32>, stdout: &str, stderr: &str) -> String {
        let mut text = match code {
            Some(code) => format!("exit: {code}\n"),
            None => "ended by a signal\n".to_owned(),
        };
        for (name, output) in [("stdout", stdout), ("stderr", stderr)] {
            if !output.is_empty() {
                text += "--- ";
                text += name;
                text += "\n";
                text += &self.apply(output);
            }
        }
        text
    }
}

/// Replaces times in seconds since 1970 by `TIME`: every number with more than six digits.
pub fn without_times(text: &str) -> String {
    let is_time = |digits: &str| digits.len() > 6;
    let mut masked = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let (digits, rest) = match part.find(|c: char| !c.is_ascii_digit()) {
            Some(end) => part.split_at(end),
            None => (part, ""),
        };
        masked.push_str(if is_time(digits) { "TIME" } else { digits });
        masked.push_str(rest);
    }
    masked
}

/// Replaces the characters of `kind` that follow each `start`, if `end` follows them.
fn replace_between(
    text: &str,
    [start, end]: [&str; 2],
    kind: impl Fn(char) -> bool,
    by: &str,
) -> String {
    let mut parts = text.split(start);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&kind);
        let is_match = rest.len() < part.len() && rest.starts_with(end);
        result += start;
        result += if is_match { by } else { "" };
        result += if is_match { rest } else { part };
    }
    result
}

/// Replaces each `marker` and the number before it.
fn replace_before(text: &str, marker: &str, by: &str) -> String {
    let parts: Vec<&str> = text.split(marker).collect();
    let (last, others) = parts.split_last().expect("a split has at least one part");
    let others = others
        .iter()
        .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    others.chain([*last]).collect::<Vec<_>>().join(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_ages_and_times_are_replaced() {
        let masks = OutputMasks::default();
        let text =
            r#"sha256:, sha256:12ab-, 3 years ago, in 2.5s, in it, in 0..=9, "duration_ms":17}"#;
        assert_eq!(
            masks.apply(text),
            r#"sha256:, sha256:[digest]-, [age], in [time]s, in it, in 0..=9, "duration_ms":0}"#
        );
    }
}
