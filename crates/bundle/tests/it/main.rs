//! Complete configs, and hostile images.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod golden;
mod hostile;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use windlass_bundle::{BundleConverter, BundleOptions, ConvertError, ConvertedConfig};
use windlass_oci::ImageConfig;

/// Converts a config with `members` and this `config`, whose root is in the directory `root`.
fn convert(
    members: &str,
    config: &str,
    root: &Path,
    options: &BundleOptions,
) -> Result<ConvertedConfig, ConvertError> {
    let json = format!(r#"{{{members}"config":{config},"rootfs":{{"diff_ids":[]}}}}"#);
    let image = ImageConfig::parse(json.as_bytes()).unwrap();
    let root = File::open(root).unwrap();
    BundleConverter::new(&image, options)?.with_root(root.as_fd())
}
