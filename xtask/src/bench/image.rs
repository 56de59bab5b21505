//! The benchmark's images: their trees and layers; created once and kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use windlass_testing::real::{LayerCompression, LayoutLayer, OciLayout, command, run};

use super::file_tree::FileTree;

/// The tag of every image, in the layout and in the registry.
pub(super) const TAG: &str = "1";

/// An image of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImageKind {
    /// Four trees in four layers, two compressed with gzip and two with zstd
    Mixed,
    /// The same four layers, all compressed with gzip
    Gzip,
    /// One layer of more than a gigabyte, compressed with gzip
    Large,
}

/// A layer of an image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BenchLayer {
    /// The digest of the compressed tar.
    pub(super) digest: String,
    /// The size of the compressed tar in bytes.
    pub(super) size: u64,
    /// Whether it is compressed with zstd rather than gzip.
    pub(super) zstd: bool,
}

/// A created image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BenchImage {
    /// The image.
    pub(super) kind: ImageKind,
    /// The digest of its manifest.
    pub(super) digest: String,
    /// Its layers, lowest first.
    pub(super) layers: Vec<BenchLayer>,
    /// The number of its regular files and hard links.
    pub(super) files: u64,
    /// The total size of its layers' tars in bytes.
    pub(super) unpacked: u64,
}

/// How a layer is created.
struct Recipe {
    name: &'static str,
    trees: &'static [FileTree],
    compression: LayerCompression,
}

impl ImageKind {
    /// The name in the registry, in reports and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Gzip => "gzip",
            Self::Large => "large",
        }
    }

    fn recipes(self) -> Vec<Recipe> {
        use LayerCompression::{Gzip, Zstd};
        let layer = |name, trees, compression| Recipe {
            name,
            trees,
            compression,
        };
        let second = if self == Self::Mixed { Zstd } else { Gzip };
        match self {
            Self::Mixed | Self::Gzip => vec![
                layer("debian-root", &[FileTree::DebianRoot], Gzip),
                layer("python", &[FileTree::Python], second),
                layer("site-packages", &[FileTree::SitePackages], Gzip),
                layer("node-modules", &[FileTree::NodeModules], second),
            ],
            Self::Large => vec![layer(
                "large",
                &[
                    FileTree::DebianRoot,
                    FileTree::SitePackages,
                    FileTree::NodeModules,
                    FileTree::Weights,
                ],
                Gzip,
            )],
        }
    }

    /// Creates the image in the layout `work/images/NAME`.
    fn make(self, work: &Path) -> anyhow::Result<BenchImage> {
        let mut layout = OciLayout::create(&self.layout(work))?;
        let (mut bench_layers, mut files, mut unpacked) = (Vec::new(), 0, 0);
        let mut layers: Vec<LayoutLayer> = Vec::new();
        for recipe in self.recipes() {
            progress(&format!(
                "making the {} layer of {}",
                recipe.name,
                self.name()
            ));
            let tar = recipe.make_tar(work)?;
            let layer = layout.add_layer(&tar, recipe.compression)?;
            files += files_in(&tar)?;
            unpacked += fs::metadata(&tar)?.len();
            bench_layers.push(BenchLayer {
                digest: layer.blob.digest.to_string(),
                size: layer.blob.size,
                zstd: recipe.compression == LayerCompression::Zstd,
            });
            layers.push(layer);
        }
        let manifest = layout.add_image("amd64", &layers)?;
        layout.tag(TAG, &manifest)?;
        let digest = manifest.digest.to_string();
        Ok(BenchImage {
            kind: self,
            digest,
            layers: bench_layers,
            files,
            unpacked,
        })
    }

    /// Returns the directory of the image's OCI layout.
    pub(super) fn layout(self, work: &Path) -> PathBuf {
        work.join("images").join(self.name())
    }

    fn metadata_path(self, work: &Path) -> PathBuf {
        self.layout(work).join("facts.json")
    }
}

impl BenchImage {
    /// Returns the download size of the layers in bytes.
    pub(super) fn compressed(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Returns the repository of the image.
    pub(super) fn repository(&self) -> String {
        format!("bench/{}", self.kind.name())
    }
}

impl Recipe {
    /// Creates one tar of the trees, once, with the owners that an image has.
    fn make_tar(&self, work: &Path) -> anyhow::Result<PathBuf> {
        let tar = work.join("tars").join(self.name).with_extension("tar");
        if tar.exists() {
            return Ok(tar);
        }
        fs::create_dir_all(work.join("tars"))?;
        let draft = work.join("tars/draft");
        let mut create = command("tar");
        create.args(["--create", "--sort=name", "--numeric-owner", "--format=pax"]);
        create.args([
            "--pax-option=delete=atime,delete=ctime",
            "--xattrs",
            "--xattrs-include=*",
        ]);
        create.arg("--file").arg(&draft);
        let tree = FileTree::make_merged(self.trees, &work.join("trees"))?;
        run(create.arg("--directory").arg(&tree).arg("."))?;
        fs::remove_dir_all(&tree)?;
        fs::rename(&draft, &tar)?;
        Ok(tar)
    }
}

/// Creates those of `images` that are missing in `work`.
pub(super) fn make_missing(work: &Path, images: &[ImageKind]) -> anyhow::Result<()> {
    for image in images {
        if !image.metadata_path(work).exists() {
            let made = image.make(work)?;
            fs::write(image.metadata_path(work), serde_json::to_vec_pretty(&made)?)?;
        }
    }
    Ok(())
}

/// Loads the descriptions of `images`.
pub(super) fn load(work: &Path, images: &[ImageKind]) -> anyhow::Result<Vec<BenchImage>> {
    let load = |image: &ImageKind| {
        let metadata = fs::read(image.metadata_path(work))?;
        anyhow::Ok(serde_json::from_slice(&metadata)?)
    };
    images
        .iter()
        .map(|image| load(image).with_context(|| format!("the {} image", image.name())))
        .collect()
}

/// Counts the entries that are files or hard links.
fn files_in(tar: &Path) -> anyhow::Result<u64> {
    let listing = run(command("tar")
        .args(["--list", "--verbose", "--file"])
        .arg(tar))?;
    let files = listing
        .split(|&byte| byte == b'\n')
        .filter(|line| line.first().is_some_and(|kind| matches!(kind, b'-' | b'h')));
    Ok(files.count() as u64)
}

fn progress(message: &str) {
    #[expect(clippy::print_stderr, reason = "the progress of the benchmark")]
    {
        eprintln!("{message}");
    }
}
