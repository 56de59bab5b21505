//! Lists the images of a store, with their platform and size: `cargo run --example list_and_inspect -- STORE`

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use windlass::Engine;
use windlass::image::ImageName;

/// Lists the images of the store at `root`.
pub(crate) fn list_and_inspect(root: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder(root).read_only().open()?;
    for image in engine.images()? {
        let details = engine.inspect(&ImageName::Id(image.id))?;
        let names = details.repo_tags.join(" ");
        let (os, architecture, size) = (&details.os, &details.architecture, details.size);
        writeln!(out, "{names} {os}/{architecture} {size} bytes")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [root] = &*arguments else {
        return Err("give the directory of a store".into());
    };
    list_and_inspect(root.as_ref(), &mut io::stdout())
}
