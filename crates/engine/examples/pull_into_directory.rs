//! Pulls an image and writes its root file system into a directory:
//! `cargo run --example pull_into_directory -- STORE IMAGE DIRECTORY`

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use windlass::Engine;
use windlass::image::ImageName;

/// Pulls `image` into the store at `root`, and unpacks it into `directory`, which must be empty or missing.
pub(crate) async fn pull_into_directory(
    root: &Path,
    image: &str,
    directory: &Path,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder(root).open()?;
    let pulled = engine.pull(image).await?;
    let name = ImageName::Id(pulled.image_id);
    let unpacked = engine.unpack(&name, directory).await?;
    let (layers, entries) = (unpacked.layers, unpacked.entries);
    writeln!(out, "unpacked {layers} layers with {entries} entries")?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [root, image, directory] = &*arguments else {
        return Err(
            "give a directory for the store, an image, and a directory for its files".into(),
        );
    };
    pull_into_directory(root.as_ref(), image, directory.as_ref(), &mut io::stdout()).await
}
