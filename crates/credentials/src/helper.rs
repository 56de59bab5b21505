//! Credential helpers: programs named `docker-credential-NAME` that store logins, for example in a keychain.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::fs::{Access, access};
use serde_json::Value;
use serde_json::value::RawValue;
use windlass_oci::text::{Sanitized, sanitize};
use windlass_registry::{Credentials, Secret};

use crate::entry::{InvalidLogin, LoginCredentials, LoginSecret};
use crate::json_object::JsonObject;
use crate::key::{is_valid_host, key_for_host};
use crate::process::{self, ProcessError, ProcessLimits, ProcessOutput};

/// The limit on the standard output of a helper, in bytes.
const MAX_STDOUT: usize = 64 << 10;
/// The part of its standard error that is kept, in bytes.
const MAX_STDERR: usize = 4 << 10;
/// The limit on the length of a helper's name, in bytes.
const MAX_NAME_LENGTH: usize = 128;
/// The user name by which helpers mark an identity token.
const TOKEN_USERNAME: &str = "<token>";
/// The output of a helper that has no credentials for the host.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Texts in lower case that suggest that an error message contains a secret.
const SECRET_HINTS: [&str; 9] = [
    "secret",
    "passw",
    "token",
    "bearer ",
    "basic ",
    "username",
    "authorization",
    "eyj",
    "://",
];
/// The length up to which a word of letters and digits is not treated as a key, in bytes.
const MAX_WORD_LENGTH: usize = 12;

/// Where helpers are looked up, and how long they may run.
#[derive(Clone, Debug)]
pub struct HelperSettings {
    /// The directories to search, in the format of `PATH`. Relative directories are ignored.
    pub path: OsString,
    /// The time after which a helper and its children are killed.
    pub limit: Duration,
}

/// An installed helper.
#[derive(Clone, Debug)]
pub struct CredentialHelper {
    program: PathBuf,
    limit: Duration,
}

/// An error of a helper. It contains nothing of the standard output, and the standard error only if that cannot
/// contain a secret (T30).
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The name contains characters that are not allowed.
    #[error("{name:?} is not the name of a helper")]
    Name {
        /// The name.
        name: Sanitized,
    },
    /// No directory of the search path contains the helper.
    #[error("not found on PATH")]
    NotFound,
    /// The file exists, but is not executable.
    #[error("{} is not executable", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The host contains characters that a helper could misinterpret (D10).
    #[error("{host:?} is not a host")]
    Host {
        /// The host.
        host: Sanitized,
    },
    /// The user name or secret is empty or contains a control character, such as a line end.
    #[error("the {field} is empty or contains characters that cannot be stored")]
    InvalidLogin {
        /// The user name or the secret.
        field: &'static str,
    },
    /// The program could not be started.
    #[error("cannot be started")]
    Start(#[source] io::Error),
    /// Its input or output failed.
    #[error("cannot exchange data with it")]
    Io(#[source] io::Error),
    /// The helper exceeded its time limit and was killed.
    #[error("took longer than {} s", .limit.as_secs_f64())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// The helper exceeded the limit on its output and was killed.
    #[error("printed more than {} KiB", MAX_STDOUT >> 10)]
    OutputTooLarge,
    /// The helper exited with an error.
    #[error("failed with {status}{}", quoted_stderr(.stderr.as_ref()))]
    Failed {
        /// The exit status.
        status: ExitStatus,
        /// The standard error, unless it might contain a secret.
        stderr: Option<Sanitized>,
    },
    /// The output is not a JSON object.
    #[error("printed something that is not a JSON object")]
    NotJson,
    /// A field of the output is missing or not a string.
    #[error("printed JSON in which {field} is not a string")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// A field of the output contains a NUL or a line end, which is invalid in user names and secrets.
    #[error("printed a {field} that contains a NUL or a line end")]
    Unusable {
        /// The field.
        field: &'static str,
    },
    /// All lookups that needed the result were cancelled, so the helper was killed.
    #[error("killed because all lookups were cancelled")]
    Abandoned,
}

/// The command of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HelperAction {
    Get,
    Store,
    Erase,
    List,
}

impl HelperSettings {
    /// Returns settings with the search path `path` and a time limit of 30 s.
    pub fn new(path: impl Into<OsString>) -> Self {
        Self {
            path: path.into(),
            limit: Duration::from_secs(30),
        }
    }

    /// Finds the program `docker-credential-NAME`.
    ///
    /// A name may only contain letters, digits and `_.+-`, so it cannot refer to another directory.
    pub fn find(&self, name: &str) -> Result<CredentialHelper, HelperError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.bytes().all(is_allowed) {
            return Err(HelperError::Name {
                name: sanitize(name),
            });
        }
        let directories = env::split_paths(&self.path).filter(|directory| directory.is_absolute());
        let mut not_executable = None;
        for directory in directories {
            let program = directory.join(format!("docker-credential-{name}"));
            if !program.is_file() {
                continue;
            }
            if access(&program, Access::EXEC_OK).is_ok() {
                let limit = self.limit;
                return Ok(CredentialHelper { program, limit });
            }
            not_executable.get_or_insert(program);
        }
        let missing = HelperError::NotFound;
        Err(not_executable.map_or(missing, |path| HelperError::NotExecutable { path }))
    }
}

impl CredentialHelper {
    /// Returns the credentials for `host`, or `None` if the helper has none.
    pub fn get(&self, host: &str) -> Result<Option<Credentials>, HelperError> {
        self.get_unless_abandoned(host, &|| false)
    }

    /// Like [`Self::get`], but kills the helper as soon as `is_abandoned` returns `true`.
    pub(crate) fn get_unless_abandoned(
        &self,
        host: &str,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Option<Credentials>, HelperError> {
        let server_url = server_url(host)?;
        let output = self.run(HelperAction::Get, server_url.as_bytes(), is_abandoned)?;
        match is_found(HelperAction::Get, &output)? {
            false => Ok(None),
            true => parse_credentials(&output.stdout),
        }
    }

    /// Stores `login` for `host`. The secret is passed on the standard input.
    pub fn store(&self, host: &str, login: &LoginCredentials) -> Result<(), HelperError> {
        login.check().map_err(HelperError::from)?;
        let (username, secret) = match &login.secret {
            LoginSecret::Password(password) => (login.username.as_str(), password),
            LoginSecret::IdentityToken(token) => (TOKEN_USERNAME, token),
        };
        let input = serde_json::json!({
            "ServerURL": server_url(host)?,
            "Username": username,
            "Secret": secret.expose(),
        });
        let output = self.run(HelperAction::Store, input.to_string().as_bytes(), &|| false)?;
        is_found(HelperAction::Store, &output).map(drop)
    }

    /// Removes the login for `host`. Returns `false` if the helper reports that it had none; many helpers do not.
    pub fn erase(&self, host: &str) -> Result<bool, HelperError> {
        let output = self.run(HelperAction::Erase, server_url(host)?.as_bytes(), &|| false)?;
        is_found(HelperAction::Erase, &output)
    }

    /// Returns the user names for which the helper has secrets, by the helper's names of the registries.
    pub fn list(&self) -> Result<BTreeMap<String, String>, HelperError> {
        let output = self.run(HelperAction::List, b"", &|| false)?;
        if !is_found(HelperAction::List, &output)? {
            return Ok(BTreeMap::new());
        }
        let Ok(Value::Object(users)) = serde_json::from_slice(&output.stdout) else {
            return Err(HelperError::NotJson);
        };
        let user = |(server, user): (String, Value)| match user {
            Value::String(user) => Ok((server, user)),
            _ => Err(HelperError::Field { field: "a user" }),
        };
        users.into_iter().map(user).collect()
    }

    fn run(
        &self,
        action: HelperAction,
        input: &[u8],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<ProcessOutput, HelperError> {
        let limits = ProcessLimits {
            time: self.limit,
            stdout: MAX_STDOUT,
            stderr: MAX_STDERR,
        };
        let mut command = Command::new(&self.program);
        command.arg(action.argument());
        let output = process::run(&mut command, input, limits, is_abandoned);
        output.map_err(|error| match error {
            ProcessError::Start(error) => HelperError::Start(error),
            ProcessError::Io(error) => HelperError::Io(error),
            ProcessError::TimedOut => HelperError::TimedOut { limit: self.limit },
            ProcessError::OutputTooLarge => HelperError::OutputTooLarge,
            ProcessError::Abandoned => HelperError::Abandoned,
        })
    }
}

impl HelperAction {
    fn argument(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Store => "store",
            Self::Erase => "erase",
            Self::List => "list",
        }
    }
}

impl From<InvalidLogin> for HelperError {
    fn from(invalid: InvalidLogin) -> Self {
        let field = match invalid {
            InvalidLogin::Username => "user name",
            InvalidLogin::Secret => "secret",
        };
        Self::InvalidLogin { field }
    }
}

/// Returns the helpers' name of the registry at `host`.
fn server_url(host: &str) -> Result<&str, HelperError> {
    match is_valid_host(host) {
        true => Ok(key_for_host(host)),
        false => Err(HelperError::Host {
            host: sanitize(host),
        }),
    }
}

/// Returns `false` if the helper reports that it has no credentials for the host. Any other failure is an error (D9).
fn is_found(action: HelperAction, output: &ProcessOutput) -> Result<bool, HelperError> {
    if output.status.success() {
        return Ok(true);
    }
    let is_not_found = output.stdout.trim_ascii() == NOT_FOUND.as_bytes();
    if is_not_found && output.status.code().is_some() {
        return Ok(false);
    }
    Err(HelperError::Failed {
        status: output.status,
        stderr: stderr_without_secrets(action, output),
    })
}

/// Parses the output of `get`. An output with an empty user name or secret also means that there are no credentials.
fn parse_credentials(stdout: &[u8]) -> Result<Option<Credentials>, HelperError> {
    // Unlike an empty file, an empty output is not treated as an empty object.
    let object = JsonObject::parse(stdout)
        .ok()
        .filter(|_| !stdout.trim_ascii().is_empty());
    let object = object.ok_or(HelperError::NotJson)?;
    let username = string_field(object.get("Username"), "Username")?;
    let secret = string_field(object.get("Secret"), "Secret")?;
    let secret = Secret::new(secret);
    Ok(match (username.as_str(), secret.expose()) {
        ("", "") => None,
        (TOKEN_USERNAME, _) => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::basic(username, secret)),
    })
}

fn string_field(value: Option<&RawValue>, field: &'static str) -> Result<String, HelperError> {
    let value = value.and_then(|value| serde_json::from_str(value.get()).ok());
    let Some(Value::String(text)) = value else {
        return Err(HelperError::Field { field });
    };
    match text.contains(['\0', '\r', '\n']) {
        true => Err(HelperError::Unusable { field }),
        false => Ok(text),
    }
}

/// Returns the standard error, unless it may contain a secret: if the helper received the secret or began to print it,
/// if the output is a shell trace or mentions secrets, or if a word looks like a key.
fn stderr_without_secrets(action: HelperAction, output: &ProcessOutput) -> Option<Sanitized> {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    let may_repeat_secret = action == HelperAction::Store || output.stdout.contains(&b'{');
    let lower = text.to_lowercase();
    let has_hint = SECRET_HINTS.iter().any(|hint| lower.contains(hint));
    let is_trace = text.lines().any(|line| line.starts_with('+'));
    let is_hidden = text.is_empty()
        || may_repeat_secret
        || has_hint
        || is_trace
        || text.split(' ').any(is_key_like);
    (!is_hidden).then(|| sanitize(text))
}

/// Returns whether `word` could be a key or a token.
fn is_key_like(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    word.len() > MAX_WORD_LENGTH && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

fn quoted_stderr(text: Option<&Sanitized>) -> String {
    text.map_or_else(String::new, |text| format!(", stderr: {text:?}"))
}

#[cfg(test)]
mod tests;
