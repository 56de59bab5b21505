//! `windlass version`

use std::env::consts;

use serde::Serialize;
use windlass_go_template::{StructField, StructValue, Value};

use crate::context::Context;
use crate::error::Error;
use crate::output;
use crate::output::format::DocumentFormat;

/// Show the version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass version
  windlass version --json | jq -r .version
  windlass version --format '{{.Version}}'")]
pub(crate) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,

    /// Format the version with a Go template: .Version, .Os and .Arch, also in .Client; or `json`
    #[arg(short, long, value_name = "TEMPLATE", conflicts_with = "json")]
    format: Option<DocumentFormat>,
}

/// The version, as JSON.
#[derive(Serialize)]
struct VersionRecord {
    version: &'static str,
    os: &'static str,
    architecture: &'static str,
}

impl Args {
    /// Prints the version.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let record = VersionRecord {
            version: env!("CARGO_PKG_VERSION"),
            os: consts::OS,
            architecture: consts::ARCH,
        };
        match &self.format {
            Some(DocumentFormat::Json) => output::json::line(context.out, &record.value())?,
            Some(DocumentFormat::Lines(template)) => {
                let text = template.render(&record.value()).map_err(Error::Format)?;
                writeln!(context.out, "{text}")?;
            }
            None if self.json => output::json::line(context.out, &record)?,
            None => writeln!(context.out, "windlass {}", record.version)?,
        }
        Ok(context.out.flush()?)
    }
}

impl VersionRecord {
    /// Returns the template value: the fields in `Client`, as in Docker, and hidden ones without it.
    fn value(&self) -> Value {
        let fields = [
            ("Version", self.version),
            ("Os", self.os),
            ("Arch", self.architecture),
        ];
        let field = |(name, text)| StructField::new(name, Value::plain(text));
        let client = Value::Struct(StructValue::new(fields.into_iter().map(field).collect()));
        let mut all = vec![StructField::new("Client", client)];
        all.extend(
            fields
                .into_iter()
                .map(|(name, text)| StructField::hidden(name, Value::plain(text))),
        );
        Value::Struct(StructValue::new(all))
    }
}
