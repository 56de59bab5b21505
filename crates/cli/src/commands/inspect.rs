//! `windlass inspect`

use super::{Ended, image_name, report};
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Show everything about images, as a JSON array in the form of `docker inspect`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass inspect alpine
  windlass inspect alpine | jq '.[0].Config.Cmd'
  windlass inspect 05455a08881e redis:8")]
pub(crate) struct Args {
    /// Names or IDs of images that are here
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Args {
    /// Prints what is found; what is not is reported, and the others are printed still.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let engine = context.look()?;
        let mut found = Vec::new();
        let mut ended = Ended::Well;
        for text in &self.names {
            let image = image_name(text).and_then(|name| {
                engine.inspect(&name).map_err(|source| Error::Image {
                    name: text.clone(),
                    source,
                })
            });
            match image {
                Ok(image) => found.push(image),
                Err(error) => {
                    report(&error);
                    ended = Ended::Failed;
                }
            }
        }
        output::json::document(context.out, &found)?;
        context.out.flush()?;
        Ok(ended)
    }
}
