//! How images are told of that came into the store from files.

use std::io;

use serde::Serialize;
use windlass::Loaded;

use crate::context::warn;
use crate::output;

/// An image, for programs.
#[derive(Serialize)]
struct Record {
    image_id: String,
    digest: String,
    platform: String,
    names: Vec<String>,
    is_new: bool,
}

/// Tells which names were another image's before (F8).
pub(super) fn warn_of_moved(image: &Loaded) {
    for moved in &image.moved {
        warn(&format!(
            "{} was the name of {} before",
            moved.name.familiar(),
            moved.from.short()
        ));
    }
}

/// Tells programs of an image.
pub(super) fn record(out: &mut dyn io::Write, image: &Loaded) -> io::Result<()> {
    let record = Record {
        image_id: image.image_id.to_string(),
        digest: image.manifest.to_string(),
        platform: image.platform.to_string(),
        names: image.names.iter().map(ToString::to_string).collect(),
        is_new: image.is_new,
    };
    output::json::line(out, &record)
}
