//! Messages on standard error.

use std::io::{self, Write as _};

/// Prints a message to standard error.
pub(crate) fn note(text: &str) {
    // A failure to write to standard error cannot be reported.
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints a warning to standard error. The caller escapes remote text in it.
pub(crate) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}
