//! Pulls an image and prints its progress: `cargo run --example pull -- STORE IMAGE`

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use windlass::transfer::LayerStatus;
use windlass::{Engine, PullEvent};

/// Pulls `image` into the store at `root`.
pub(crate) async fn pull(
    root: &Path,
    image: &str,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder(root).open()?;
    let mut pull = engine.pull(image).start();
    while let Some(event) = pull.next_event().await {
        match event {
            PullEvent::Planned {
                layers,
                missing_bytes,
                ..
            } => writeln!(
                out,
                "{} layers, {missing_bytes} bytes to download",
                layers.len()
            )?,
            PullEvent::Layer {
                digest,
                status: LayerStatus::Unpacked { size, .. },
            } => writeln!(out, "unpacked {digest}: {size} bytes")?,
            _ => {}
        }
    }
    let pulled = pull.await?;
    writeln!(out, "pulled {} as {}", pulled.reference, pulled.image_id)?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [root, image] = &*arguments else {
        return Err("give a directory for the store, and an image".into());
    };
    pull(root.as_ref(), image, &mut io::stdout()).await
}
