//! Credential helpers: programs called `docker-credential-NAME` that keep what users prove themselves with.

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

use crate::document::Document;
use crate::entry::{LoginCredentials, LoginSecret, Unfit};
use crate::key::{is_sound_host, key_of};
use crate::run::{self, Limits, Output, RunError};

/// The most that a helper may print on its standard output, in bytes.
const STDOUT: usize = 64 << 10;
/// The most that is kept of its standard error, in bytes.
const STDERR: usize = 4 << 10;
/// The longest name of a helper, in bytes.
const NAME: usize = 128;
/// The user name that stands for an identity token.
const TOKEN: &str = "<token>";
/// What a helper prints when it has nothing.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Texts that hint at a secret beside them, in lower case.
const TELLTALES: [&str; 9] = [
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
/// Words of letters and digits are shown up to this length, in bytes.
const WORD: usize = 12;

/// Where helpers are, and what they may take.
#[derive(Clone, Debug)]
pub struct HelperSettings {
    /// The directories to look in, as `PATH` has them. Those that are not absolute are passed over.
    pub path: OsString,
    /// How long a helper may take; it is ended after that, with its children.
    pub limit: Duration,
}

/// One helper that is there.
#[derive(Clone, Debug)]
pub struct CredentialHelper {
    program: PathBuf,
    limit: Duration,
}

/// Why a helper did not do what it was asked for. Holds nothing of what it printed on its standard output, and
/// of its standard error only what cannot have the secret (T30).
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// A name that is no part of a file's name.
    #[error("{name:?} is not the name of a helper")]
    Name {
        /// The name.
        name: Sanitized,
    },
    /// No directory of the path has it.
    #[error("not found on PATH")]
    NotFound,
    /// It is there and may not be run.
    #[error("{} is not executable", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// A host that could be taken for something else (D10).
    #[error("{host:?} is not a host")]
    Host {
        /// The host.
        host: Sanitized,
    },
    /// A user name or a secret that could be taken for something else: it is empty, or has a line end or
    /// another control character.
    #[error("the {field} has characters that cannot be kept, or is empty")]
    Unfit {
        /// Which of them.
        field: &'static str,
    },
    /// It could not be started.
    #[error("cannot be started")]
    Start(#[source] io::Error),
    /// It could not be talked to.
    #[error("cannot be talked to")]
    Io(#[source] io::Error),
    /// It took too long, and was ended.
    #[error("took longer than {} s", .limit.as_secs_f64())]
    TimedOut {
        /// How long it had.
        limit: Duration,
    },
    /// It printed too much, and was ended.
    #[error("printed more than {} KiB", STDOUT >> 10)]
    TooMuch,
    /// It failed.
    #[error("failed with {status}{}", quoted(.said.as_ref()))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// What it wrote on its standard error, unless that might have a secret.
        said: Option<Sanitized>,
    },
    /// What it printed is not JSON, or not an object.
    #[error("printed something that is not a JSON object")]
    NotJson,
    /// What it printed lacks something, or has another type.
    #[error("printed JSON in which {field} is not a string")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// What it printed has a NUL or a line end in it, which no user name and no secret has.
    #[error("printed a {field} with a NUL or a line end in it")]
    Unusable {
        /// The field.
        field: &'static str,
    },
    /// All who had asked for it went away, and it was ended.
    #[error("ended, since nobody waits for it any more")]
    Abandoned,
}

/// What a helper is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Store,
    Erase,
    List,
}

impl HelperSettings {
    /// HelperSettings in the directories of `path`, which may take 30 s.
    pub fn new(path: impl Into<OsString>) -> Self {
        Self {
            path: path.into(),
            limit: Duration::from_secs(30),
        }
    }

    /// Finds the helper called `docker-credential-` and `name`.
    ///
    /// A name has letters, digits, and `_.+-` only: it can lead to no other directory.
    pub fn find(&self, name: &str) -> Result<CredentialHelper, HelperError> {
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
        if name.is_empty() || name.len() > NAME || !name.bytes().all(is_sound) {
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
    /// Returns what the helper keeps for `host`; `None` if it says that there is nothing.
    pub fn get(&self, host: &str) -> Result<Option<Credentials>, HelperError> {
        self.get_while(host, &|| false)
    }

    /// As [`Self::get`], but gives up as soon as `is_abandoned` says so.
    pub(crate) fn get_while(
        &self,
        host: &str,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Option<Credentials>, HelperError> {
        let server = server(host)?;
        let output = self.run(Action::Get, server.as_bytes(), is_abandoned)?;
        match outcome(Action::Get, &output)? {
            false => Ok(None),
            true => credentials(&output.stdout),
        }
    }

    /// Has the helper keep `login` for `host`. The secret goes by its standard input.
    pub fn store(&self, host: &str, login: &LoginCredentials) -> Result<(), HelperError> {
        login.check().map_err(HelperError::from)?;
        let (username, secret) = match &login.secret {
            LoginSecret::Password(password) => (login.username.as_str(), password),
            LoginSecret::IdentityToken(token) => (TOKEN, token),
        };
        let input = serde_json::json!({
            "ServerURL": server(host)?,
            "Username": username,
            "Secret": secret.expose(),
        });
        let output = self.run(Action::Store, input.to_string().as_bytes(), &|| false)?;
        outcome(Action::Store, &output).map(drop)
    }

    /// Has the helper forget about `host`, and tells whether it did; it may say that there was nothing, but
    /// many do not.
    pub fn erase(&self, host: &str) -> Result<bool, HelperError> {
        let output = self.run(Action::Erase, server(host)?.as_bytes(), &|| false)?;
        outcome(Action::Erase, &output)
    }

    /// Returns the user names that the helper keeps secrets of, by what it calls the registry.
    pub fn list(&self) -> Result<BTreeMap<String, String>, HelperError> {
        let output = self.run(Action::List, b"", &|| false)?;
        if !outcome(Action::List, &output)? {
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
        action: Action,
        input: &[u8],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<Output, HelperError> {
        let limits = Limits {
            time: self.limit,
            stdout: STDOUT,
            stderr: STDERR,
        };
        let mut command = Command::new(&self.program);
        command.arg(action.word());
        let output = run::run(&mut command, input, limits, is_abandoned);
        output.map_err(|error| match error {
            RunError::Start(error) => HelperError::Start(error),
            RunError::Io(error) => HelperError::Io(error),
            RunError::TimedOut => HelperError::TimedOut { limit: self.limit },
            RunError::TooMuch => HelperError::TooMuch,
            RunError::Abandoned => HelperError::Abandoned,
        })
    }
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Store => "store",
            Self::Erase => "erase",
            Self::List => "list",
        }
    }
}

impl From<Unfit> for HelperError {
    fn from(unfit: Unfit) -> Self {
        let field = match unfit {
            Unfit::Username => "user name",
            Unfit::Secret => "secret",
        };
        Self::Unfit { field }
    }
}

/// Returns what helpers call the registry at `host`.
fn server(host: &str) -> Result<&str, HelperError> {
    match is_sound_host(host) {
        true => Ok(key_of(host)),
        false => Err(HelperError::Host {
            host: sanitize(host),
        }),
    }
}

/// Tells whether the helper found what it was asked about; any other failure is an error (D9).
fn outcome(action: Action, output: &Output) -> Result<bool, HelperError> {
    if output.status.success() {
        return Ok(true);
    }
    let is_not_found = output.stdout.trim_ascii() == NOT_FOUND.as_bytes();
    if is_not_found && output.status.code().is_some() {
        return Ok(false);
    }
    Err(HelperError::Failed {
        status: output.status,
        said: said_aloud(action, output),
    })
}

/// Reads the answer to `get`. One without a user and a secret means nothing, too.
fn credentials(stdout: &[u8]) -> Result<Option<Credentials>, HelperError> {
    // An empty file would be an empty object; an empty answer is none.
    let answer = Document::parse(stdout)
        .ok()
        .filter(|_| !stdout.trim_ascii().is_empty());
    let answer = answer.ok_or(HelperError::NotJson)?;
    let username = text(answer.get("Username"), "Username")?;
    let secret = text(answer.get("Secret"), "Secret")?;
    let secret = Secret::new(secret);
    Ok(match (username.as_str(), secret.expose()) {
        ("", "") => None,
        (TOKEN, _) => Some(Credentials::IdentityToken(secret)),
        _ => Some(Credentials::Basic {
            username,
            password: secret,
        }),
    })
}

fn text(value: Option<&RawValue>, field: &'static str) -> Result<String, HelperError> {
    let value = value.and_then(|value| serde_json::from_str(value.get()).ok());
    let Some(Value::String(text)) = value else {
        return Err(HelperError::Field { field });
    };
    match text.contains(['\0', '\r', '\n']) {
        true => Err(HelperError::Unusable { field }),
        false => Ok(text),
    }
}

/// Returns what the helper wrote on its standard error, unless it may have the secret in it: if the helper
/// was given the secret or began to print it, if it traces itself or talks about secrets, or if a word
/// looks like one.
fn said_aloud(action: Action, output: &Output) -> Option<Sanitized> {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    let had_it = action == Action::Store || output.stdout.contains(&b'{');
    let lower = text.to_lowercase();
    let hints = TELLTALES.iter().any(|telltale| lower.contains(telltale));
    let traces = text.lines().any(|line| line.starts_with('+'));
    let is_hidden = text.is_empty() || had_it || hints || traces || text.split(' ').any(is_odd);
    (!is_hidden).then(|| sanitize(text))
}

/// Tells whether `word` looks more like a key than like a word.
fn is_odd(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    word.len() > WORD && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

fn quoted(text: Option<&Sanitized>) -> String {
    text.map_or_else(String::new, |text| format!(", saying {text:?}"))
}

#[cfg(test)]
mod tests;
