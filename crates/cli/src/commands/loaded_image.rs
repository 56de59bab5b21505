//! Output about images that were loaded or imported.

use std::io;

use serde::Serialize;
use windlass::Loaded;

use crate::output;
use crate::output::message::warn;

/// A loaded image, as JSON.
#[derive(Serialize)]
struct LoadedImageRecord {
    image_id: String,
    digest: String,
    platform: String,
    names: Vec<String>,
    is_new: bool,
}

/// Warns about names that were moved from another image (F8).
pub(super) fn warn_about_moved_names(image: &Loaded) {
    for moved in &image.moved {
        warn(&format!(
            "{} was moved from image {}",
            moved.name.familiar(),
            moved.from.short()
        ));
    }
}

/// Writes the record of an image.
pub(super) fn write_record(out: &mut dyn io::Write, image: &Loaded) -> io::Result<()> {
    let record = LoadedImageRecord {
        image_id: image.image_id.to_string(),
        digest: image.manifest.to_string(),
        platform: image.platform.to_string(),
        names: image.names.iter().map(ToString::to_string).collect(),
        is_new: image.is_new,
    };
    output::json::line(out, &record)
}
