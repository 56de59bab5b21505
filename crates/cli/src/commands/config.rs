//! `windlass config`

mod effective_config;
mod registry_view;
mod text;

use clap::Subcommand;
use windlass::image::{DEFAULT_REGISTRY, Reference, RepositoryName};
use windlass_config::Configuration;

use super::{AuthFile, parse_reference};
use crate::context::Context;
use crate::error::Error;
use crate::output;
use effective_config::EffectiveConfig;

/// Show the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the configuration that is in effect, and which file each value comes from
    Show(ShowArgs),
}

/// Show the configuration that is in effect, and which file each value comes from
///
/// With a registry: its hosts in the order in which they are tried, how they are used, and where their credentials
/// come from. Secrets are not shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass config show                   All settings, and the files that were looked for
  windlass config show docker.io         The hosts of Docker Hub
  windlass config show ghcr.io/owner/app
  windlass config show --json | jq .files")]
struct ShowArgs {
    /// Registry, as HOST or HOST:PORT, or the name of an image in it
    #[arg(value_name = "REGISTRY|NAME")]
    registry: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Runs the command.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let Command::Show(show) = &self.command;
        show.run(context)
    }
}

impl ShowArgs {
    fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let configuration = &context.settings()?.configuration;
        let target = self.registry.as_deref();
        let target = target.map(|text| ShowTarget::parse(text, configuration));
        let authfile = self.auth.authfile.as_deref();
        let config = EffectiveConfig::collect(context, authfile, target.transpose()?.as_ref())?;
        if self.json {
            output::json::document(context.out, &config)?;
        } else {
            text::write(context.out, &config)?;
        }
        Ok(context.out.flush()?)
    }
}

/// What to show the hosts of.
pub(super) enum ShowTarget {
    /// A registry, by its name in references.
    Registry(String),
    /// A repository.
    Repository(RepositoryName),
}

impl ShowTarget {
    /// Parses the host of a registry or the name of an image. `alpine:3` could be either: a host has a dot, is
    /// `localhost`, or is configured.
    fn parse(text: &str, configuration: &Configuration) -> Result<Self, Error> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        let as_host: Option<Reference> = format!("{bare}/name/name").parse().ok();
        let as_host = as_host.map(|reference| reference.repository().registry().to_owned());
        let name = bare.split(':').next().unwrap_or_default();
        let is_configured = as_host.as_ref().is_some_and(|host| {
            host != DEFAULT_REGISTRY && configuration.registries.contains_key(host)
        });
        let is_host = is_configured
            || bare != text
            || bare.starts_with('[')
            || name == "localhost"
            || name.contains('.');
        match as_host {
            Some(host) if is_host && !bare.contains('/') => Ok(Self::Registry(host)),
            _ => {
                let reference = parse_reference(text)?;
                Ok(Self::Repository(reference.repository().clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_images_are_distinguished() {
        let configuration = Configuration::default();
        let parsed = |text: &str| match ShowTarget::parse(text, &configuration).unwrap() {
            ShowTarget::Registry(host) => host,
            ShowTarget::Repository(name) => format!("image {name}"),
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
        insta::assert_snapshot!(texts.map(parsed).join("\n"), @r"
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
