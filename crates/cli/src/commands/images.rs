//! `windlass images`

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use windlass::{Digest, ImageId, ImageSummary, Reference};

use crate::context::Context;
use crate::error::Error;
use crate::output::human;
use crate::output::table::Table;
use crate::output::{self, time};

const NONE: &str = "<none>";

/// List images
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
#[command(after_help = "\
Examples:
  windlass images                 All images, the youngest first
  windlass images alpine          All tags of a repository
  windlass images -q alpine:3     The ID only, for scripts
  windlass images --json | jq .   One JSON object a line")]
pub(crate) struct Args {
    /// Only images of this repository, or with this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,

    /// Accepted for Docker's sake: all images are listed anyway
    #[arg(short, long)]
    all: bool,

    /// Show digests
    #[arg(long)]
    digests: bool,

    /// Do not shorten IDs
    #[arg(long)]
    no_trunc: bool,

    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,

    /// Print one JSON object a line
    #[arg(long, conflicts_with_all = ["quiet", "digests", "no_trunc"])]
    json: bool,
}

/// One name of one image. Images without a name have one row, too.
#[derive(Debug)]
struct Row<'a> {
    image: &'a ImageSummary,
    name: Name,
}

/// What stands in the columns that name the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A row for programs.
#[derive(Serialize)]
struct Record<'a> {
    repository: Option<&'a str>,
    tag: Option<&'a str>,
    digest: Option<&'a Digest>,
    image_id: &'a ImageId,
    created: Option<&'a str>,
    size: u64,
    platform: String,
}

impl Args {
    /// Lists what is there.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let wanted = self
            .name
            .as_deref()
            .map(str::parse::<Reference>)
            .transpose();
        let wanted = wanted.map_err(Error::Reference)?;
        let images = context.look()?.images().map_err(Error::List)?;
        let rows = rows(&images, wanted.as_ref());
        if self.json {
            for row in &rows {
                output::json::line(context.out, &row.record())?;
            }
        } else if self.quiet {
            let mut seen = HashSet::new();
            for row in rows.iter().filter(|row| seen.insert(row.image.id)) {
                writeln!(context.out, "{}", self.id(row))?;
            }
        } else if self.digests {
            self.table_with_digests(&rows).write(context.out)?;
        } else {
            self.table(&rows).write(context.out)?;
        }
        Ok(context.out.flush()?)
    }

    fn table(&self, rows: &[Row<'_>]) -> Table<5> {
        let mut table = Table::new(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
        for row in rows {
            let [repository, tag, _] = row.name.cells();
            table.push([repository, tag, self.id(row), row.created(), row.size()]);
        }
        table
    }

    fn table_with_digests(&self, rows: &[Row<'_>]) -> Table<6> {
        let mut table = Table::new(["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]);
        for row in rows {
            let [repository, tag, digest] = row.name.cells();
            table.push([
                repository,
                tag,
                digest,
                self.id(row),
                row.created(),
                row.size(),
            ]);
        }
        table
    }

    fn id(&self, row: &Row<'_>) -> String {
        if self.no_trunc {
            row.image.id.to_string()
        } else {
            row.image.id.short()
        }
    }
}

impl Row<'_> {
    fn created(&self) -> String {
        self.image
            .created
            .as_deref()
            .map_or_else(|| "N/A".to_owned(), time::age)
    }

    fn size(&self) -> String {
        human::table_size(self.image.size)
    }

    fn record(&self) -> Record<'_> {
        Record {
            repository: self.name.repository.as_deref(),
            tag: self.name.tag.as_deref(),
            digest: self.name.digest.as_ref(),
            image_id: &self.image.id,
            created: self.image.created.as_deref(),
            size: self.image.size,
            platform: self.image.platform.to_string(),
        }
    }
}

impl Name {
    fn cells(&self) -> [String; 3] {
        let cell = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let digest = self.digest.map(|digest| digest.to_string());
        [
            cell(self.repository.clone()),
            cell(self.tag.clone()),
            cell(digest),
        ]
    }
}

/// A row for each name that `wanted` lets through, the youngest image first.
fn rows<'a>(images: &'a [ImageSummary], wanted: Option<&Reference>) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'_>> = images
        .iter()
        .flat_map(|image| {
            names(image)
                .into_iter()
                .map(move |name| Row { image, name })
        })
        .filter(|row| wanted.is_none_or(|wanted| matches(wanted, &row.name)))
        .collect();
    rows.sort_by_cached_key(|row| {
        let created = row.image.created.as_deref().and_then(time::parse);
        (Reverse(created), row.name.clone(), row.image.id)
    });
    rows
}

/// The names of an image: every tag, and the repositories that hold it by digest alone.
fn names(image: &ImageSummary) -> Vec<Name> {
    let mut repositories: BTreeMap<String, (Vec<String>, Option<Digest>)> = BTreeMap::new();
    for reference in image.names.iter().chain(&image.digests) {
        let (tags, digest) = repositories
            .entry(reference.repository().familiar())
            .or_default();
        tags.extend(reference.tag().map(ToString::to_string));
        *digest = digest.or(reference.digest().copied());
    }
    let names = repositories
        .into_iter()
        .flat_map(|(repository, (tags, digest))| {
            let tags = if tags.is_empty() {
                vec![None]
            } else {
                tags.into_iter().map(Some).collect()
            };
            let name = move |tag| Name {
                repository: Some(repository.clone()),
                tag,
                digest,
            };
            tags.into_iter().map(name)
        });
    let names: Vec<Name> = names.collect();
    if names.is_empty() {
        vec![Name::default()]
    } else {
        names
    }
}

fn matches(wanted: &Reference, name: &Name) -> bool {
    name.repository.as_deref() == Some(wanted.repository().familiar().as_str())
        && wanted
            .tag()
            .is_none_or(|tag| name.tag.as_deref() == Some(tag.as_str()))
        && wanted
            .digest()
            .is_none_or(|digest| name.digest.as_ref() == Some(digest))
}

#[cfg(test)]
mod tests;
