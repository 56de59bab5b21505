//! The report of an error.

use serde::{Deserialize, Serialize};
use windlass::text::escape;

use crate::{Advice, ErrorCode};

/// An error as users and programs read it. All texts are one line each, without characters that steer a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The code for programs.
    pub code: ErrorCode,
    /// What failed, where and why.
    pub message: String,
    /// The errors of the endpoints that were tried before, such as mirrors.
    pub tried: Vec<String>,
    /// How to solve the problem, if there is a general remedy.
    pub hint: Option<String>,
}

impl ErrorReport {
    /// Makes a report and escapes its texts for terminals.
    pub fn new(message: &str, tried: &[String], advice: &Advice) -> Self {
        let line = |text: &str| escape(text).into_owned();
        Self {
            code: advice.code,
            message: line(message),
            tried: tried.iter().map(|text| line(text)).collect(),
            hint: advice.hint.as_deref().map(line),
        }
    }

    /// Makes the report of operations that a signal stopped.
    pub fn interrupted(message: String) -> Self {
        Self {
            code: ErrorCode::Interrupted,
            message,
            tried: Vec::new(),
            hint: None,
        }
    }
}
