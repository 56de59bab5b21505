//! Why a configuration cannot be used: where, and what is wrong there.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use windlass_oci::text::{Sanitized, sanitize_up_to};

use crate::address::{InsecureProblem, ProxyProblem, UrlProblem};
use crate::daemon_json::WordError;
use crate::duration::DurationProblem;
use crate::header::HeaderProblem;
use crate::size::{RateProblem, SizeProblem};

/// Paths are as long as they are; this is Linux's longest.
const PATH_CHARS: usize = 4096;

/// A file, or a place in it, that cannot be used. What is wrong there is its source.
///
/// No value of the file is in it, except where it can only be a word, a name or a path.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, if that is known.
    pub place: Option<Place>,
    /// The key that it is about, such as `registry."quay.io".mirror[0].url`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: Box<Problem>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// What is wrong with a file or with a value in it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// A file that was asked for is not there.
    #[error("there is no such file")]
    NotThere,
    /// It is a directory, a device or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is larger than any sensible configuration.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// How large it may be.
        limit: u64,
    },
    /// The directories with certificates hold more than any sensible configuration.
    #[error("the directories for certificates hold more than {limit} entries")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// It is not a text.
    #[error("it is not UTF-8")]
    NotText,
    /// It is not written as its format asks.
    #[error("{message}")]
    Syntax {
        /// What the reader stumbled over.
        message: Sanitized,
    },
    /// Nothing is called so.
    #[error("there is no such key{}", hint(*nearest))]
    UnknownKey {
        /// The key that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    MissingKey {
        /// Its name.
        key: &'static str,
    },
    /// A value has another type than it should have.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A number is too small or too large.
    #[error("expected a number from {least} to {most}")]
    Range {
        /// The smallest that is taken.
        least: u64,
        /// The largest that is taken.
        most: u64,
    },
    /// An array is longer than any sensible configuration.
    #[error("expected at most {limit} elements")]
    TooLong {
        /// How many there may be.
        limit: usize,
    },
    /// A path that a shell would make another one of.
    #[error("`~` does not stand for the home directory here: write the whole path")]
    Tilde,
    /// A text or list says nothing.
    #[error("it is empty")]
    Empty,
    /// A host cannot do that.
    #[error("{found:?} is none of `pull`, `resolve`, `push`")]
    Capability {
        /// What it says.
        found: Sanitized,
    },
    /// It is not a length of time.
    #[error(transparent)]
    Duration(DurationProblem),
    /// It is not an amount of bytes.
    #[error(transparent)]
    Size(SizeProblem),
    /// It is not an amount of bytes a second.
    #[error(transparent)]
    Rate(RateProblem),
    /// It is none of the words that can stand there.
    #[error(transparent)]
    Word(WordError),
    /// It is said under another name already.
    #[error("`{other}` says the same: leave out one of the two")]
    SaidTwice {
        /// The other name.
        other: &'static str,
    },
    /// A limit for one registry, where none is named.
    #[error("it is about one registry: for all of them together there is `pull.limit-rate`")]
    NeedsName,
    /// It is not the address of a host.
    #[error(transparent)]
    Url(UrlProblem),
    /// It is not the address of a proxy.
    #[error(transparent)]
    Proxy(ProxyProblem),
    /// It is not a host or range that could be insecure.
    #[error(transparent)]
    Insecure(InsecureProblem),
    /// It is not a header that can be sent.
    #[error(transparent)]
    Header(HeaderProblem),
    /// It is not what the names of images begin with (REF-1).
    #[error(
        "{found:?} is not the name of a registry: expected HOST.DOMAIN, HOST:PORT or `localhost`"
    )]
    Registry {
        /// What it says.
        found: Sanitized,
    },
    /// Two names of one registry.
    #[error("this registry is configured already, by another name of it")]
    SameRegistry,
    /// A key that only means something for one host, where none is named.
    #[error("it needs a `server` beside it")]
    NeedsServer,
    /// What is said about a host would settle whether it is spoken to in TLS, without a word about that.
    #[error(
        "this host may be spoken to without TLS: say with `server` whether it is at `https://` or `http://`"
    )]
    WhichScheme,
    /// A host inside a host.
    #[error("hosts cannot be nested")]
    Nested,
    /// The hosts of one registry go through different proxies, which windlass cannot do.
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
    /// A file that should hold certificates holds none, or broken ones.
    #[error("it holds no certificate in PEM form that can be read")]
    NoCertificate,
    /// One of the certificates in a file is none that could be trusted.
    #[error("certificate {number} in it cannot be used: {reason}")]
    Certificate {
        /// Its place, counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that should hold a key holds none, or a broken one.
    #[error("it holds no private key in PEM form that can be read")]
    NoKey,
    /// Nobody is there who could be asked for a passphrase.
    #[error("its private key is encrypted: store it without a passphrase")]
    EncryptedKey,
    /// A client certificate without its key, or the other way round (EP-10).
    #[error("{} is missing beside it{}", shown_path(missing), ca_hint(missing))]
    LoneHalf {
        /// The file that would make it whole.
        missing: PathBuf,
    },
}

impl ConfigError {
    /// The file as a whole.
    pub(crate) fn file(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            place: None,
            key: None,
            problem: Box::new(problem),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown_path(&self.path))?;
        if let Some(Place { line, column }) = self.place {
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

/// Docker's users often give a CA the ending of a client's certificate.
fn ca_hint(missing: &Path) -> &'static str {
    match missing.extension().is_some_and(|ending| ending == "key") {
        true => " (a CA's certificate ends in .crt)",
        false => "",
    }
}
