//! `windlass logout`

use windlass::registry::CredentialScope;
use windlass::text::escape;
use windlass_credentials::{CredentialSource, ErasedLogin};
use windlass_error_report::OperationError;

use super::login::parse_registry;
use super::shared_args::AuthFileArgs;
use crate::context::Context;
use crate::error::Error;
use crate::output::message::warn;

/// Log out of a registry
///
/// Removes the credentials that `windlass login` or `docker login` stored in the file, or with the credential helper
/// that the file names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass logout            Docker Hub
  windlass logout ghcr.io")]
pub(crate) struct Args {
    /// HOST or HOST:PORT of the registry [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,

    #[command(flatten)]
    auth: AuthFileArgs,
}

impl Args {
    /// Removes the login. A missing login is not an error.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let registry = parse_registry(self.registry.as_deref())?;
        let credentials = context.credentials(self.auth.authfile.as_deref());
        let erased = credentials
            .erase(&registry)
            .map_err(|source| OperationError::LogOut {
                registry: registry.clone(),
                source: Box::new(source),
            })?;
        writeln!(context.out, "{}", erased_message(&registry, &erased))?;
        context.out.flush()?;
        let scope = CredentialScope {
            host: registry.clone(),
            repository: String::new(),
        };
        // A configured helper is reported whether or not it has credentials for the host.
        if let Ok(Some(CredentialSource::Entry { place, .. })) = credentials.source_of(&scope) {
            warn(&format!(
                "{} still has credentials for {registry}",
                escape(&place.to_string())
            ));
        }
        Ok(())
    }
}

fn erased_message(registry: &str, erased: &ErasedLogin) -> String {
    let file = erased.file.to_string_lossy();
    let file = escape(&file);
    match &erased.helper {
        _ if erased.is_empty() => format!("Not logged in to {registry}: nothing in {file}"),
        Some(helper) => format!("Removed the login to {registry} from docker-credential-{helper}"),
        None => format!("Removed the login to {registry} from {file}"),
    }
}
