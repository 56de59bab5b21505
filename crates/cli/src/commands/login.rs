//! `windlass login`

use clap::builder::{StringValueParser, TypedValueParser as _};
use windlass::{CredentialScope, DEFAULT_REGISTRY, LoggedIn, Reference, Secret};
use windlass_credentials::{
    CredentialLocation, CredentialSource, CredentialStore, LoginCredentials, LoginSecret,
    StoredLogin,
};

use super::remote_query::runtime;
use super::{AuthFile, CommandOutcome};
use windlass_report::OperationError;

use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::prompt::{self, Answer};
use crate::signals::{Signal, Signals};
use windlass::text::escape;

/// The longest password or token that is read, in bytes.
const LONGEST_PASSWORD: u64 = 64 << 10;
const USERNAME: &str = "user name";
const PASSWORD: &str = "password";

/// Log in to a registry
///
/// The registry is asked whether it takes the credentials. If so they are kept where Docker keeps them, in
/// `config.json` or with the credential helper that it names, or in the file that --authfile names. If the
/// registry gives a token to be kept instead of the password, that is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass login                                         Docker Hub; asks for user and password
  windlass login ghcr.io
  windlass login -u me --password-stdin ghcr.io <token   For scripts")]
pub(crate) struct Args {
    /// HOST or HOST:PORT [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,

    /// The user name
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,

    /// The password, or an access token. All users of this machine can see it: better is --password-stdin
    #[arg(short, long, value_name = "PASSWORD", value_parser = StringValueParser::new().map(|text| Secret::new(text)), conflicts_with = "password_stdin")]
    password: Option<Secret>,

    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    #[command(flatten)]
    auth: AuthFile,
}

/// What somebody says about himself.
struct Claim {
    username: String,
    password: Secret,
}

impl Args {
    /// Asks for what was not given, asks the registry, and keeps the login.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let registry = registry(self.registry.as_deref())?;
        if self.password.is_some() {
            warn("--password on the command line can be seen by others: use --password-stdin");
        }
        let remote = context.remote()?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let proven: Result<_, Error> = runtime()?.block_on(async {
            let claim = match self.claim(&signals).await? {
                Ok(claim) => claim,
                Err(signal) => return Ok(Err(signal)),
            };
            let proof = remote
                .client()
                .log_in(&registry, &claim.username, &claim.password);
            tokio::select! {
                biased;
                signal = signals.first() => Ok(Err(signal)),
                proof = proof => match proof {
                    Ok(logged_in) => Ok(Ok(login(claim, logged_in))),
                    Err(source) => Err(OperationError::LogIn {
                        registry: registry.clone(),
                        source: Box::new(source),
                    }.into()),
                },
            }
        });
        let login = match proven? {
            Ok(login) => login,
            Err(signal) => {
                note("Stopped. Nothing was changed.");
                return Ok(CommandOutcome::Interrupted(signal));
            }
        };
        let stored = keys
            .store(&registry, &login)
            .map_err(|source| OperationError::SaveLogin {
                registry: registry.clone(),
                source: Box::new(source),
            })?;
        writeln!(context.out, "Login Succeeded")?;
        context.out.flush()?;
        tell(&stored, &login);
        tell_what_hides_it(&keys, &registry, &stored);
        Ok(CommandOutcome::Success)
    }

    /// Puts together who the user is; the signal that came if one did while he was asked.
    async fn claim(&self, signals: &Signals) -> Result<Result<Claim, Signal>, Error> {
        let username = match &self.username {
            Some(username) => username.clone(),
            None => match asked(USERNAME, "Username: ", false, signals).await? {
                Answer::Text(username) => username,
                Answer::Stopped(signal) => return Ok(Err(signal)),
            },
        };
        if username.is_empty() {
            return Err(Error::NothingGiven { what: USERNAME });
        }
        let password = if let Some(password) = &self.password {
            password.clone()
        } else {
            let answer = if self.password_stdin {
                let password = prompt::standard_input(LONGEST_PASSWORD, signals).await;
                password.map_err(|source| Error::Input {
                    what: PASSWORD,
                    source,
                })?
            } else {
                asked(PASSWORD, "Password: ", true, signals).await?
            };
            match answer {
                Answer::Text(password) => Secret::new(password),
                Answer::Stopped(signal) => return Ok(Err(signal)),
            }
        };
        if password.expose().is_empty() {
            return Err(Error::NothingGiven { what: PASSWORD });
        }
        Ok(Ok(Claim { username, password }))
    }
}

/// Returns the registry that `text` names, in the form that names of images have it: `docker.io` for none.
pub(super) fn registry(text: Option<&str>) -> Result<String, Error> {
    let Some(text) = text else {
        return Ok(DEFAULT_REGISTRY.to_owned());
    };
    let not_one = || Error::NotARegistry {
        // What stands before an `@` may be a password.
        text: match text.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => text.to_owned(),
        },
    };
    let bare = text.strip_prefix("https://").unwrap_or(text);
    let bare = bare.strip_prefix("http://").unwrap_or(bare);
    let bare = bare.trim_end_matches('/');
    // As Docker calls its hub, and as some call the place of the API.
    let bare = bare.strip_suffix("/v1").unwrap_or(bare);
    let bare = bare.strip_suffix("/v2").unwrap_or(bare);
    if bare.contains(['/', '@']) {
        return Err(not_one());
    }
    let reference: Reference = format!("{bare}/name/name").parse().map_err(|_| not_one())?;
    let registry = reference.repository().registry();
    let is_meant = registry != DEFAULT_REGISTRY || bare.to_ascii_lowercase().ends_with("docker.io");
    if is_meant {
        Ok(registry.to_owned())
    } else {
        Err(not_one())
    }
}

async fn asked(
    what: &'static str,
    question: &str,
    is_secret: bool,
    signals: &Signals,
) -> Result<Answer, Error> {
    if !prompt::is_possible() {
        return Err(Error::NoTerminal { what });
    }
    let answer = match is_secret {
        true => prompt::secret(question, signals).await,
        false => prompt::line(question, signals).await,
    };
    answer.map_err(|source| Error::Input { what, source })
}

/// What is kept: the registry's token if it gave one, else the password.
fn login(claim: Claim, logged_in: LoggedIn) -> LoginCredentials {
    LoginCredentials {
        username: claim.username,
        secret: match logged_in.identity_token {
            Some(token) => LoginSecret::IdentityToken(token),
            None => LoginSecret::Password(claim.password),
        },
    }
}

fn tell(stored: &StoredLogin, login: &LoginCredentials) {
    let file = stored.file.to_string_lossy();
    let file = escape(&file);
    let what = match login.secret {
        LoginSecret::Password(_) => "password",
        LoginSecret::IdentityToken(_) => "token",
    };
    match &stored.helper {
        Some(helper) => note(&format!(
            "The {what} is kept by docker-credential-{helper}, as {file} wants it."
        )),
        None => warn(&format!(
            "the {what} is stored unencrypted in {file}; a credential helper (`credsStore`) keeps it safer"
        )),
    }
}

/// A login that another place hides would be no use, and a riddle.
fn tell_what_hides_it(keys: &CredentialStore, registry: &str, stored: &StoredLogin) {
    let door = CredentialScope {
        host: registry.to_owned(),
        repository: String::new(),
    };
    let Ok(Some(CredentialSource::Entry { place, .. } | CredentialSource::Helper { place, .. })) =
        keys.source_of(&door)
    else {
        return;
    };
    if place != CredentialLocation::File(stored.file.clone()) {
        warn(&format!(
            "{} has credentials for {registry}, too, and goes before it",
            escape(&place.to_string())
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_as_people_do() {
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
        let registries = names.map(|name| registry(Some(name)).unwrap());
        assert_eq!(registry(None).unwrap(), "docker.io");
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
    fn other_things_are_no_registries() {
        for name in ["", "alpine", "ghcr.io/owner", "a b.test", "ftp://a.test"] {
            assert!(
                matches!(registry(Some(name)), Err(Error::NotARegistry { .. })),
                "{name}"
            );
        }
    }

    /// I7.
    #[test]
    fn a_password_in_the_name_is_not_repeated() {
        let error = registry(Some("https://me:hunter2@ghcr.io")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a registry, HOST or HOST:PORT, not \"…@ghcr.io\""
        );
    }
}
