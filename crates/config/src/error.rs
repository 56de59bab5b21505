//! Errors in the configuration: where they are, and what is wrong there.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use windlass_oci::text::{Sanitized, sanitize_up_to};

use crate::address::{InsecureProblem, ProxyProblem, UrlProblem};
use crate::duration::DurationProblem;
use crate::header::HeaderProblem;
use crate::log_options::WordError;
use crate::size::{RateProblem, SizeProblem};

/// The maximum length of a path in a message, which is Linux's `PATH_MAX`.
const PATH_CHARS: usize = 4096;

/// The error that a file, or a value in it, cannot be used. Its source is what is wrong.
///
/// It contains no value of the file, except where that can only be a word, a name or a path.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The position in the file, if there is one.
    pub position: Option<TextPosition>,
    /// The key, such as `registry."quay.io".mirror[0].url`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: Box<ConfigProblem>,
}

/// A position in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// What is wrong with a file or with a value in it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// A file that must exist does not.
    #[error("there is no such file")]
    Missing,
    /// The path leads to a directory, a device or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file is larger than any sensible configuration.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The maximum size.
        limit: u64,
    },
    /// The directories with certificates have more entries than any sensible configuration.
    #[error("the directories for certificates hold more than {limit} entries")]
    TooMany {
        /// The maximum number of entries.
        limit: usize,
    },
    /// The file is not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// The text does not follow the format.
    #[error("{message}")]
    Syntax {
        /// The message of the parser.
        message: Sanitized,
    },
    /// The key does not exist.
    #[error("there is no such key{}", hint(*nearest))]
    UnknownKey {
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A required key is missing.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// The value has the wrong type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// The correct type.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// A number is too small or too large.
    #[error("expected a number from {min} to {max}")]
    Range {
        /// The smallest accepted number.
        min: u64,
        /// The largest accepted number.
        max: u64,
    },
    /// An array is longer than any sensible configuration.
    #[error("expected at most {limit} elements")]
    TooLong {
        /// The maximum number of elements.
        limit: usize,
    },
    /// A path starts with `~`, which only a shell replaces.
    #[error("`~` does not stand for the home directory here: write the whole path")]
    Tilde,
    /// A text or list is empty.
    #[error("it is empty")]
    Empty,
    /// A word is not a capability of a host.
    #[error("{found:?} is none of `pull`, `resolve`, `push`")]
    Capability {
        /// The word.
        found: Sanitized,
    },
    /// The text is not a length of time.
    #[error(transparent)]
    Duration(DurationProblem),
    /// The text is not a size.
    #[error(transparent)]
    Size(SizeProblem),
    /// The text is not a rate.
    #[error(transparent)]
    Rate(RateProblem),
    /// The text is none of the accepted words.
    #[error(transparent)]
    Word(WordError),
    /// The same file sets the same by another key.
    #[error("`{other}` sets the same: remove one of the two")]
    SetTwice {
        /// The other key.
        other: &'static str,
    },
    /// The limit of one registry is in the table of all registries.
    #[error("this is the limit of one registry: use `pull.limit-rate` to limit all of them")]
    NeedsName,
    /// The text is not the address of a host.
    #[error(transparent)]
    Url(UrlProblem),
    /// The text is not the address of a proxy.
    #[error(transparent)]
    Proxy(ProxyProblem),
    /// The text is not a host or range of addresses.
    #[error(transparent)]
    Insecure(InsecureProblem),
    /// A header cannot be configured.
    #[error(transparent)]
    Header(HeaderProblem),
    /// The text is not the name of a registry, with which references start (REF-1).
    #[error(
        "{found:?} is not the name of a registry: expected HOST.DOMAIN, HOST:PORT or `localhost`"
    )]
    Registry {
        /// The text.
        found: Sanitized,
    },
    /// Two tables are about the same registry, by different names.
    #[error("this registry is configured already, by another name of it")]
    SameRegistry,
    /// A key is about a host, and the table does not name one.
    #[error("it needs a `server` beside it")]
    NeedsServer,
    /// A host may be used without TLS, and the keys about it do not contain its scheme.
    #[error(
        "this host may be used without TLS: set `server` to its address with `https://` or `http://`"
    )]
    NeedsScheme,
    /// A host has hosts.
    #[error("hosts cannot be nested")]
    Nested,
    /// The hosts of one registry have different proxies, which windlass does not support.
    #[error(
        "all hosts of a registry share one proxy: give each the same, or set it in windlass.toml"
    )]
    SeveralProxies,
    /// The file that a value names cannot be used.
    #[error("{}", shown_path(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Box<Self>,
    },
    /// A file for certificates has none, or an invalid one.
    #[error("it holds no certificate in PEM form that can be read")]
    NoCertificate,
    /// One of the certificates in a file cannot be a root.
    #[error("certificate {number} in it cannot be used: {reason}")]
    Certificate {
        /// Its place in the file, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file for a key has none, or an invalid one.
    #[error("it holds no private key in PEM form that can be read")]
    NoKey,
    /// The key is encrypted. There is no prompt for a passphrase.
    #[error("its private key is encrypted: store it without a passphrase")]
    EncryptedKey,
    /// A client certificate without its key, or a key without its certificate (EP-10).
    #[error("{} is missing beside it{}", shown_path(missing), ca_hint(missing))]
    IncompletePair {
        /// The missing file.
        missing: PathBuf,
    },
}

impl ConfigError {
    /// Returns an error about the file as a whole.
    pub(crate) fn file(path: &Path, problem: ConfigProblem) -> Self {
        Self {
            path: path.to_owned(),
            position: None,
            key: None,
            problem: Box::new(problem),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown_path(&self.path))?;
        if let Some(TextPosition { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        match &self.key {
            Some(key) => write!(f, ": {key}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.problem)
    }
}

/// Returns `path` in a form that is safe to print (R9).
pub(crate) fn shown_path(path: &Path) -> Sanitized {
    sanitize_up_to(&path.to_string_lossy(), PATH_CHARS)
}

fn hint(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

/// Returns a hint for a common mistake: a CA certificate with the extension of a client certificate.
fn ca_hint(missing: &Path) -> &'static str {
    match missing.extension().is_some_and(|ending| ending == "key") {
        true => " (a CA's certificate ends in .crt)",
        false => "",
    }
}
