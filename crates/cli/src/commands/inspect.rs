//! `windlass inspect`

mod value;

use std::io::{self, IsTerminal as _};

use windlass::image::Inspection;
use windlass_error_report::OperationError;

use super::CommandOutcome;
use super::shared_args::parse_image_name;
use crate::context::Context;
use crate::error::Error;
use crate::output;
use crate::output::format::DocumentFormat;

/// Show detailed information about images, as JSON in the format of `docker inspect`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass inspect alpine
  windlass inspect 05455a08881e redis:8
  windlass inspect alpine | jq '.[0].Config.Cmd'
  windlass inspect -f '{{.Id}} {{.Config.Cmd}}' alpine
  windlass inspect -f '{{index .RepoDigests 0}}' alpine
  windlass inspect -f '{{json .Config.Labels}}' alpine
  windlass inspect -f '{{range .Config.Env}}{{println .}}{{end}}' alpine")]
pub(crate) struct Args {
    /// Names or IDs of the images
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Format each image with a Go template, like Docker; or `json` for one line
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<DocumentFormat>,
}

impl Args {
    /// Prints the images. A failure is reported and does not prevent the output of the others.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let engine = context.open_unlocked()?;
        let mut found = Vec::new();
        let mut outcome = CommandOutcome::Success;
        for text in &self.names {
            let image = parse_image_name(text).and_then(|name| {
                engine.inspect(&name).map_err(|source| {
                    OperationError::Inspect {
                        name: text.clone(),
                        source,
                    }
                    .into()
                })
            });
            match image {
                Ok(image) => found.push(image),
                Err(error) => {
                    error.print();
                    outcome = CommandOutcome::Failure;
                }
            }
        }
        self.write(context, &found)?;
        context.out.flush()?;
        Ok(outcome)
    }

    fn write(&self, context: &mut Context<'_>, images: &[Inspection]) -> Result<(), Error> {
        match &self.format {
            None => output::json::document(context.out, &images)?,
            Some(DocumentFormat::Json) => output::json::line(context.out, &images)?,
            Some(DocumentFormat::Lines(template)) => {
                let is_escaped = io::stdout().is_terminal();
                for image in images {
                    let text = template.render(&value::image_value(image, is_escaped));
                    writeln!(context.out, "{}", text.map_err(Error::Format)?)?;
                }
            }
        }
        Ok(())
    }
}
