//! The origin of a configured value.

use std::path::{Path, PathBuf};

use serde::Serialize;
use windlass_config::FileLocation;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueOrigin {
    /// A file.
    File { path: PathBuf, line: Option<usize> },
    /// A file, and the command line adds to it.
    FileAndCommandLine { path: PathBuf, line: Option<usize> },
    /// The environment.
    Environment,
    /// The command line, or the environment variable of the option.
    CommandLine,
    /// The default.
    Default,
}

impl ValueOrigin {
    /// Returns a location in a file as an origin.
    pub(super) fn file(location: &FileLocation) -> Self {
        Self::File {
            path: location.path.clone(),
            line: location.line,
        }
    }

    /// Returns the origin for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::File { path, line } => location(path, *line),
            Self::FileAndCommandLine { path, line } => {
                format!("{}, command line", location(path, *line))
            }
            Self::Environment => "environment".to_owned(),
            Self::CommandLine => "command line".to_owned(),
            Self::Default => "default".to_owned(),
        }
    }
}

fn location(path: &Path, line: Option<usize>) -> String {
    match line {
        None => path.display().to_string(),
        Some(line) => format!("{}:{line}", path.display()),
    }
}
