//! `windlass logout`

use windlass::CredentialScope;
use windlass_credentials::{CredentialSource, ErasedLogin};

use super::AuthFile;
use super::login::registry;
use windlass_report::OperationError;

use crate::context::{Context, warn};
use crate::error::Error;
use windlass::text::escape;

/// Log out of a registry
///
/// What `windlass login` or `docker login` keeps is removed from the file, and from the credential helper
/// that it names.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass logout            Docker Hub
  windlass logout ghcr.io")]
pub(crate) struct Args {
    /// HOST or HOST:PORT [default: Docker Hub]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Removes the login. That there is none is no error.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let registry = registry(self.registry.as_deref())?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let erased = keys
            .erase(&registry)
            .map_err(|source| OperationError::LogOut {
                registry: registry.clone(),
                source: Box::new(source),
            })?;
        writeln!(context.out, "{}", words(&registry, &erased))?;
        context.out.flush()?;
        let door = CredentialScope {
            host: registry.clone(),
            repository: String::new(),
        };
        // A helper is named for the host whether it has something or not.
        if let Ok(Some(CredentialSource::Entry { place, .. })) = keys.source_of(&door) {
            warn(&format!(
                "{} still has credentials for {registry}",
                escape(&place.to_string())
            ));
        }
        Ok(())
    }
}

fn words(registry: &str, erased: &ErasedLogin) -> String {
    let file = erased.file.to_string_lossy();
    let file = escape(&file);
    match &erased.helper {
        _ if erased.is_nothing() => format!("Not logged in to {registry}: nothing in {file}"),
        Some(helper) => format!("Removed the login to {registry} from docker-credential-{helper}"),
        None => format!("Removed the login to {registry} from {file}"),
    }
}
