//! Unpacks one layer blob into an existing directory and prints the duration.
//!
//! ```text
//! cargo run --release -p windlass-archive --example unpack -- [--one] [--flatten] [--own] BLOB DIR
//! ```

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Instant;

use windlass_archive::{
    Ownership, UnpackMode, UnpackOptions, UnpackProgress, UnpackThreads, unpack,
};
use windlass_oci::{Algorithm, Hasher};

/// Computes the digest of the blob while it is read, as a pull does.
struct HashingReader {
    file: File,
    hasher: Hasher,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

#[expect(clippy::print_stdout, reason = "an example's result")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut options = UnpackOptions::default();
    let mut paths = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("--one") => options.threads = UnpackThreads::One,
            Some("--flatten") => options.mode = UnpackMode::Flatten,
            Some("--own") => options.ownership = Ownership::CurrentUser,
            _ => paths.push(argument),
        }
    }
    let [blob, directory] = paths
        .try_into()
        .map_err(|_| "usage: unpack [OPTIONS] BLOB DIR")?;
    let mut blob = HashingReader {
        file: File::open(blob)?,
        hasher: Hasher::new(Algorithm::Sha256),
    };
    let directory = File::open(directory)?;
    let start = Instant::now();
    let unpacked = unpack(
        &mut blob,
        directory.as_fd(),
        &options,
        &UnpackProgress::default(),
    )?;
    let duration = start.elapsed();
    println!("blob    {}", blob.hasher.finish());
    println!("diff ID {}", unpacked.diff_id);
    println!(
        "{} entries, {} bytes of content, {duration:?}",
        unpacked.entries, unpacked.size
    );
    Ok(())
}
