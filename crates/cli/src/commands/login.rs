//! `windlass login`

use clap::builder::{StringValueParser, TypedValueParser as _};
use windlass::image::DEFAULT_REGISTRY;
use windlass::registry::{CredentialScope, Credentials, LoggedIn, Secret};
use windlass::text::escape;
use windlass_credentials::{
    CredentialLocation, CredentialSource, CredentialStore, LoginCredentials, LoginSecret,
    StoredLogin,
};
use windlass_error_report::OperationError;

use super::CommandOutcome;
use super::shared_args::AuthFileArgs;
use crate::context::Context;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output::message::{note, warn};
use crate::prompt::{self, PromptOutcome};
use crate::signals::{Signal, Signals};

/// The maximum length of a password or token on standard input, in bytes.
const MAX_PASSWORD_LENGTH: u64 = 64 << 10;
const USERNAME: &str = "user name";
const PASSWORD: &str = "password";

/// Log in to a registry
///
/// Verifies the credentials with the registry and stores them like Docker: in `config.json`, with the credential helper
/// that `config.json` configures, or in the file of --authfile. If the registry returns an identity token, the token is
/// stored instead of the password.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass login                                         Docker Hub; prompts for user and password
  windlass login ghcr.io
  windlass login -u me --password-stdin ghcr.io <token   For scripts")]
pub(crate) struct Args {
    /// HOST or HOST:PORT of the registry [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,

    /// User name
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,

    /// Password or access token. Other users of this machine can see it; prefer --password-stdin
    #[arg(short, long, value_name = "PASSWORD", value_parser = StringValueParser::new().map(|text| Secret::new(text)), conflicts_with = "password_stdin")]
    password: Option<Secret>,

    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    #[command(flatten)]
    auth: AuthFileArgs,
}

/// The user name and the password of the user.
struct UserCredentials {
    username: String,
    password: Secret,
}

impl Args {
    /// Prompts for missing values, verifies the credentials, and stores them.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let registry = parse_registry(self.registry.as_deref())?;
        if self.password.is_some() {
            warn("other users can see --password on the command line; use --password-stdin");
        }
        let remote = context.remote()?;
        let store = context.credentials(self.auth.authfile.as_deref());
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let verified: Result<_, Error> = current_thread_runtime()?.block_on(async {
            let user = match self.user_credentials(&signals).await? {
                Ok(user) => user,
                Err(signal) => return Ok(Err(signal)),
            };
            let credentials = Credentials::Basic {
                username: user.username.clone(),
                password: user.password.clone(),
            };
            let request = remote.client().log_in(&registry, &credentials);
            match signals.interruptible(request).await {
                Ok(Ok(logged_in)) => Ok(Ok(login_credentials(user, logged_in))),
                Ok(Err(source)) => Err(OperationError::LogIn {
                    registry: registry.clone(),
                    source: Box::new(source),
                }
                .into()),
                Err(signal) => Ok(Err(signal)),
            }
        });
        let login = match verified? {
            Ok(login) => login,
            Err(signal) => {
                note("Stopped. Nothing was changed.");
                return Ok(CommandOutcome::Interrupted(signal));
            }
        };
        let stored =
            store
                .store(&registry, &login)
                .map_err(|source| OperationError::SaveLogin {
                    registry: registry.clone(),
                    source: Box::new(source),
                })?;
        writeln!(context.out, "Login Succeeded")?;
        context.out.flush()?;
        print_location(&stored, &login);
        warn_if_overridden(&store, &registry, &stored);
        Ok(CommandOutcome::Success)
    }

    /// Returns the user name and the password, prompting for missing ones, or the signal that interrupted a prompt.
    async fn user_credentials(
        &self,
        signals: &Signals,
    ) -> Result<Result<UserCredentials, Signal>, Error> {
        let username = match &self.username {
            Some(username) => username.clone(),
            None => match prompt_for(USERNAME, "Username: ", false, signals).await? {
                PromptOutcome::Text(username) => username,
                PromptOutcome::Interrupted(signal) => return Ok(Err(signal)),
            },
        };
        if username.is_empty() {
            return Err(Error::NothingGiven { what: USERNAME });
        }
        let password = if let Some(password) = &self.password {
            password.clone()
        } else {
            let answer = if self.password_stdin {
                let password = prompt::standard_input(MAX_PASSWORD_LENGTH, signals).await;
                password.map_err(|source| Error::Input {
                    what: PASSWORD,
                    source,
                })?
            } else {
                prompt_for(PASSWORD, "Password: ", true, signals).await?
            };
            match answer {
                PromptOutcome::Text(password) => Secret::new(password),
                PromptOutcome::Interrupted(signal) => return Ok(Err(signal)),
            }
        };
        if password.expose().is_empty() {
            return Err(Error::NothingGiven { what: PASSWORD });
        }
        Ok(Ok(UserCredentials { username, password }))
    }
}

/// Returns the registry in the normal form of references; the default is `docker.io`.
pub(super) fn parse_registry(text: Option<&str>) -> Result<String, Error> {
    let Some(text) = text else {
        return Ok(DEFAULT_REGISTRY.to_owned());
    };
    let invalid = || Error::NotARegistry {
        // The text before `@` may contain a password.
        text: match text.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => text.to_owned(),
        },
    };
    let bare = text.strip_prefix("https://").unwrap_or(text);
    let bare = bare.strip_prefix("http://").unwrap_or(bare);
    let bare = bare.trim_end_matches('/');
    // Docker Hub is known as `https://index.docker.io/v1/`; `/v2` is the path of the API.
    let bare = bare.strip_suffix("/v1").unwrap_or(bare);
    let bare = bare.strip_suffix("/v2").unwrap_or(bare);
    windlass_config::registry_name(bare).ok_or_else(invalid)
}

async fn prompt_for(
    what: &'static str,
    question: &str,
    is_secret: bool,
    signals: &Signals,
) -> Result<PromptOutcome, Error> {
    if !prompt::is_interactive() {
        return Err(Error::NoTerminal { what });
    }
    let answer = match is_secret {
        true => prompt::secret(question, signals).await,
        false => prompt::line(question, signals).await,
    };
    answer.map_err(|source| Error::Input { what, source })
}

/// Returns the credentials to store: the identity token of the registry if there is one, else the password.
fn login_credentials(user: UserCredentials, logged_in: LoggedIn) -> LoginCredentials {
    LoginCredentials {
        username: user.username,
        secret: match logged_in.identity_token {
            Some(token) => LoginSecret::IdentityToken(token),
            None => LoginSecret::Password(user.password),
        },
    }
}

fn print_location(stored: &StoredLogin, login: &LoginCredentials) {
    let file = stored.file.to_string_lossy();
    let file = escape(&file);
    let what = match login.secret {
        LoginSecret::Password(_) => "password",
        LoginSecret::IdentityToken(_) => "token",
    };
    match &stored.helper {
        Some(helper) => note(&format!(
            "The {what} is stored with docker-credential-{helper}, as configured in {file}."
        )),
        None => warn(&format!(
            "the {what} is stored unencrypted in {file}; a credential helper (`credsStore`) stores it safely"
        )),
    }
}

/// Warns if other credentials for the registry take precedence over the stored ones.
fn warn_if_overridden(store: &CredentialStore, registry: &str, stored: &StoredLogin) {
    let scope = CredentialScope {
        host: registry.to_owned(),
        repository: String::new(),
    };
    let Ok(Some(CredentialSource::Entry { place, .. } | CredentialSource::Helper { place, .. })) =
        store.source_of(&scope)
    else {
        return;
    };
    if place != CredentialLocation::File(stored.file.clone()) {
        warn(&format!(
            "{} has credentials for {registry}, too, and takes precedence",
            escape(&place.to_string())
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_names_are_normalized() {
        let names = [
            "docker.io",
            "index.docker.io",
            "https://index.docker.io/v1/",
            "ghcr.io",
            "https://ghcr.io/",
            "localhost:5000",
            "http://127.0.0.1:5000/v2/",
            "[::1]:5000",
        ];
        let registries = names.map(|name| parse_registry(Some(name)).unwrap());
        assert_eq!(parse_registry(None).unwrap(), "docker.io");
        assert_eq!(
            registries,
            [
                "docker.io",
                "docker.io",
                "docker.io",
                "ghcr.io",
                "ghcr.io",
                "localhost:5000",
                "127.0.0.1:5000",
                "[::1]:5000",
            ]
        );
    }

    #[test]
    fn invalid_registry_names_are_rejected() {
        for name in ["", "alpine", "ghcr.io/owner", "a b.test", "ftp://a.test"] {
            assert!(
                matches!(parse_registry(Some(name)), Err(Error::NotARegistry { .. })),
                "{name}"
            );
        }
    }

    /// I7.
    #[test]
    fn a_password_in_the_name_is_not_printed() {
        let error = parse_registry(Some("https://me:hunter2@ghcr.io")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a registry, HOST or HOST:PORT, not \"…@ghcr.io\""
        );
    }
}
