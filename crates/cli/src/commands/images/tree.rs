//! The `--tree` option: the platforms of each image.

use std::io::{self, Write};

use windlass::image::{ImageSummary, ImageTree, PlatformImage};
use windlass_progress::human;

use super::name::{NONE, NameColumns};
use super::name_filter::NameFilter;
use crate::output::table::Table;

/// The cell of a value that is not available locally.
const ABSENT: &str = "-";

/// Returns the trees with one of `images` and a name that the filter matches; other names are removed.
pub(super) fn select(
    mut trees: Vec<ImageTree>,
    images: &[ImageSummary],
    names: &NameFilter<'_>,
) -> Vec<ImageTree> {
    let is_listed = |entry: &PlatformImage| {
        let image = entry.image.as_ref();
        image.is_some_and(|image| images.iter().any(|listed| listed.id == image.id))
    };
    let keep_matching_names = |tree: &mut ImageTree| {
        let (target, was_nameless) = (tree.target, tree.names.is_empty());
        tree.names.retain(|name| {
            names.matches(&NameColumns {
                repository: Some(name.repository().familiar()),
                tag: name.tag().map(ToString::to_string),
                digest: Some(target),
            })
        });
        !tree.names.is_empty() || was_nameless && names.matches(&NameColumns::default())
    };
    trees.retain(|tree| tree.platforms.iter().any(is_listed));
    trees.retain_mut(keep_matching_names);
    trees
}

/// Writes a line for each name of a tree, followed by its platforms.
pub(super) fn write(trees: &[ImageTree], no_trunc: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(["IMAGE", "ID", "SIZE", "COMPRESSED"]);
    for tree in trees {
        let total = |size: fn(&PlatformImage) -> Option<u64>| {
            human::table_size(tree.platforms.iter().filter_map(size).sum())
        };
        let sizes = [total(size), total(compressed)];
        let target = match no_trunc {
            true => tree.target.to_string(),
            false => tree.target.short(),
        };
        let mut names: Vec<String> = tree
            .names
            .iter()
            .map(windlass::image::Reference::familiar)
            .collect();
        if names.is_empty() {
            names.push(NONE.to_owned());
        }
        for name in names {
            let [size, compressed] = sizes.clone();
            table.push([name, target.clone(), size, compressed]);
        }
        for (number, entry) in tree.platforms.iter().enumerate() {
            let branch = if number + 1 == tree.platforms.len() {
                "└─"
            } else {
                "├─"
            };
            let name = format!("{branch} {}", entry.platform);
            table.push([
                name,
                id(entry, no_trunc),
                cell(size(entry)),
                cell(compressed(entry)),
            ]);
        }
    }
    table.write(out)
}

fn id(entry: &PlatformImage, no_trunc: bool) -> String {
    match &entry.image {
        Some(image) if no_trunc => image.id.to_string(),
        Some(image) => image.id.short(),
        None => ABSENT.to_owned(),
    }
}

fn size(entry: &PlatformImage) -> Option<u64> {
    entry.image.as_ref().map(|image| image.size)
}

fn compressed(entry: &PlatformImage) -> Option<u64> {
    entry.image.as_ref().map(|image| image.compressed)
}

fn cell(size: Option<u64>) -> String {
    size.map_or_else(|| ABSENT.to_owned(), human::table_size)
}
