//! `windlass config`

mod facts;
mod text;
mod way;

use clap::Subcommand;
use windlass::{DEFAULT_REGISTRY, Reference, RepositoryName};
use windlass_config::Loaded;

use super::{AuthFile, parse_reference};
use crate::context::Context;
use crate::error::Error;
use crate::output;
use facts::Facts;

/// Show what is configured
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in effect, and which file says so
    Show(Show),
}

/// Show what is in effect, and which file says so
///
/// With a registry: whom windlass asks for its images, in which order and how, and where credentials would
/// come from. Secrets are not shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass config show                   All settings, and the files that were looked for
  windlass config show docker.io         Who answers for Docker Hub
  windlass config show ghcr.io/owner/app
  windlass config show --json | jq .files")]
struct Show {
    /// The registry, HOST or HOST:PORT, or the name of an image in it
    #[arg(value_name = "REGISTRY|NAME")]
    registry: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Shows it.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Command::Show(show) = &self.command;
        show.run(context)
    }
}

impl Show {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let loaded = &context.settings()?.loaded;
        let asked = self.registry.as_deref().map(|text| asked(text, loaded));
        let authfile = self.auth.authfile.as_deref();
        let facts = Facts::gather(context, authfile, asked.transpose()?.as_ref())?;
        if self.json {
            output::json::document(context.out, &facts)?;
        } else {
            text::write(context.out, &facts)?;
        }
        Ok(context.out.flush()?)
    }
}

/// What was asked about.
pub(super) enum Asked {
    /// A registry, by its name in references.
    Registry(String),
    /// A repository.
    Repository(RepositoryName),
}

/// Finds out whether `text` is a registry's host or an image's name: `alpine:3` could be both. A host has a
/// dot or is `localhost`, as in names, or something is configured about it.
fn asked(text: &str, loaded: &Loaded) -> Result<Asked, Error> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    let as_host: Option<Reference> = format!("{bare}/name/name").parse().ok();
    let as_host = as_host.map(|reference| reference.repository().registry().to_owned());
    let name = bare.split(':').next().unwrap_or_default();
    let is_known = as_host
        .as_ref()
        .is_some_and(|host| host != DEFAULT_REGISTRY && loaded.registries.contains_key(host));
    let is_host = is_known
        || bare != text
        || bare.starts_with('[')
        || name == "localhost"
        || name.contains('.');
    match as_host {
        Some(host) if is_host && !bare.contains('/') => Ok(Asked::Registry(host)),
        _ => {
            let reference = parse_reference(text)?;
            Ok(Asked::Repository(reference.repository().clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_an_image_are_told_apart() {
        let loaded = Loaded::default();
        let seen = |text: &str| match asked(text, &loaded).unwrap() {
            Asked::Registry(host) => host,
            Asked::Repository(name) => format!("image {name}"),
        };
        let texts = [
            "docker.io",
            "index.docker.io",
            "ghcr.io",
            "localhost:5000",
            "[::1]:5000",
            "127.0.0.1:5000",
            "registry:5000/",
            "alpine",
            "alpine:3",
            "owner/app",
            "ghcr.io/owner/app:1",
        ];
        insta::assert_snapshot!(texts.map(seen).join("\n"), @r"
        docker.io
        docker.io
        ghcr.io
        localhost:5000
        [::1]:5000
        127.0.0.1:5000
        registry:5000
        image docker.io/library/alpine
        image docker.io/library/alpine
        image docker.io/owner/app
        image ghcr.io/owner/app
        ");
    }
}
