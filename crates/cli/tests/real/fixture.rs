//! The images, built from tars by the layout writer or changed by `umoci` itself.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use windlass_testing::real::{LayerCompression, OciLayout, command, run};
use windlass_testing::{LayerBuilder, Random};

use crate::shared_state::SharedState;

/// The number of small files of [`Fixture::Many`].
pub(crate) const MANY: usize = 30_000;

/// A family of images in one repository. All but `MultiArch` have the tag `gzip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fixture {
    /// A Debian root, and a layer that changes it.
    Debian,
    /// Tens of thousands of small files.
    Many,
    /// Every kind of entry, with everything that an entry can have.
    Kinds,
    /// Three layers that remove each other's entries.
    Whiteouts,
    /// A layer made by `umoci repack`.
    Repacked,
    /// An index of an amd64 and an arm64 image.
    MultiArch,
    /// One small file.
    Small,
    /// Two layers of a megabyte of noise each.
    Heavy,
}

impl Fixture {
    pub(crate) fn repository(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Many => "many",
            Self::Kinds => "kinds",
            Self::Whiteouts => "whiteouts",
            Self::Repacked => "repacked",
            Self::MultiArch => "multi-arch",
            Self::Small => "small",
            Self::Heavy => "heavy",
        }
    }

    /// The tags of the repository: forms of the same image with different compressions.
    pub(crate) fn tags(self) -> &'static [&'static str] {
        match self {
            Self::Debian | Self::Many => &["gzip", "zstd"],
            Self::Kinds | Self::Whiteouts => &["gzip", "zstd", "plain", "mixed"],
            Self::Repacked | Self::Small | Self::Heavy => &["gzip"],
            Self::MultiArch => &["both"],
        }
    }

    /// Writes all tags of the family into an OCI layout.
    pub(crate) fn build(self, shared: &SharedState, dir: &Path) -> io::Result<()> {
        let tar = |name: &str, layer: &LayerBuilder| -> io::Result<PathBuf> {
            let path = dir.join(name).with_extension("tar");
            fs::write(&path, layer.tar())?;
            Ok(path)
        };
        match self {
            Self::Repacked => repacked(&tar("base", &small_root())?, dir),
            Self::MultiArch => {
                let amd64 = tar(
                    "amd64",
                    &LayerBuilder::new().dir("./").file("machine", "amd64\n"),
                )?;
                let arm64 = tar(
                    "arm64",
                    &LayerBuilder::new().dir("./").file("machine", "arm64\n"),
                )?;
                multi_arch(dir, &amd64, &arm64)
            }
            Self::Debian => {
                let debian = shared.debian().map_err(io::Error::other)?.to_owned();
                self.pack(dir, &[debian, tar("change", &change_of_debian())?])
            }
            Self::Many => self.pack(dir, &[tar("many", &many())?]),
            Self::Kinds => self.pack(dir, &[tar("kinds", &kinds())?]),
            Self::Small => self.pack(
                dir,
                &[tar(
                    "small",
                    &LayerBuilder::new().dir("./").file("hello", "ahoy\n"),
                )?],
            ),
            Self::Heavy => {
                let [one, other] = [1, 2].map(|seed| LayerBuilder::of_size_seeded(1 << 20, seed));
                self.pack(dir, &[tar("one", &one)?, tar("other", &other)?])
            }
            Self::Whiteouts => {
                let [lower, middle, upper] = whiteouts();
                let lower = tar("lower", &lower)?;
                self.pack(
                    dir,
                    &[lower, tar("middle", &middle)?, tar("upper", &upper)?],
                )
            }
        }
    }

    fn pack(self, dir: &Path, tars: &[PathBuf]) -> io::Result<()> {
        use LayerCompression::{Gzip, Plain, Zstd};
        let mut layout = OciLayout::create(dir)?;
        for tag in self.tags() {
            let packings = match *tag {
                "zstd" => [Zstd, Zstd],
                "plain" => [Plain, Plain],
                "mixed" => [Zstd, Gzip],
                _ => [Gzip, Gzip],
            };
            let layers = tars.iter().zip(packings.iter().cycle());
            let layers = layers.map(|(tar, packing)| layout.add_layer(tar, *packing));
            let layers = layers.collect::<io::Result<Vec<_>>>()?;
            let image = layout.add_image("amd64", &layers)?;
            layout.tag(tag, &image)?;
        }
        Ok(())
    }
}

fn multi_arch(dir: &Path, amd64: &Path, arm64: &Path) -> io::Result<()> {
    let mut layout = OciLayout::create(dir)?;
    let image = |architecture, tar: &Path| {
        let layer = layout.add_layer(tar, LayerCompression::Gzip)?;
        layout.add_image(architecture, &[layer])
    };
    let images = [
        ("amd64", image("amd64", amd64)?),
        ("arm64", image("arm64", arm64)?),
    ];
    let index = layout.add_index(&images)?;
    layout.tag("both", &index)
}

/// Unpacks an image with `umoci`, changes it, and packs the changes with `umoci`.
fn repacked(base: &Path, dir: &Path) -> io::Result<()> {
    let mut layout = OciLayout::create(dir)?;
    let layer = layout.add_layer(base, LayerCompression::Gzip)?;
    let image = layout.add_image("amd64", &[layer])?;
    layout.tag("gzip", &image)?;
    let (bundle, image) = (dir.join("bundle"), format!("{}:gzip", dir.display()));
    run(command("umoci")
        .args(["unpack", "--image", &image])
        .arg(&bundle))?;
    let root = bundle.join("rootfs");
    fs::remove_file(root.join("etc/motd"))?;
    fs::remove_dir_all(root.join("var/cache"))?;
    fs::rename(root.join("usr/bin/tool"), root.join("usr/bin/renamed"))?;
    fs::create_dir_all(root.join("var/new/deep"))?;
    fs::write(root.join("var/new/deep/file"), "new\n")?;
    run(command("umoci")
        .args(["repack", "--image", &image])
        .arg(&bundle))?;
    Ok(())
}

fn small_root() -> LayerBuilder {
    LayerBuilder::new()
        .dir("./")
        .dir("etc/")
        .file("etc/motd", "welcome\n")
        .file("etc/passwd", "root:x:0:0::/:/bin/sh\n")
        .dir("usr/")
        .dir("usr/bin/")
        .file("usr/bin/tool", "#!/bin/sh\n")
        .mode(0o4755)
        .dir("var/")
        .dir("var/cache/")
        .file("var/cache/a", "a")
        .file("var/cache/b", "b")
}

fn change_of_debian() -> LayerBuilder {
    LayerBuilder::new()
        .whiteout("usr/share/doc")
        .whiteout("etc/issue")
        .dir("var/log/")
        .opaque("var/log")
        .file("var/log/fresh", "fresh\n")
        .mtime(1_700_000_000, 123_456_789)
        .file("etc/motd", "Unlike Debian's.\n")
        .owner(1000, 1000)
}

fn many() -> LayerBuilder {
    let mut random = Random::new(7);
    let mut layer = LayerBuilder::new().dir("./");
    for number in 0..MANY {
        if number % 100 == 0 {
            layer = layer.dir(format!("d{:03}/", number / 100));
        }
        let size = usize::try_from(random.below(1500)).unwrap();
        let content = random.bytes(size);
        layer = layer.file(format!("d{:03}/file-{number:05}", number / 100), content);
    }
    layer
}

fn kinds() -> LayerBuilder {
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let long = "n".repeat(255);
    let deep = ["directory-with-a-name-of-forty-characters"; 8];
    let bytes = std::ffi::OsStr::from_bytes(b"latin-1-\xe9");
    let layer = LayerBuilder::new()
        .dir("./")
        .mode(0o711)
        .owner(5, 6)
        .file("plain", "plain\n")
        .mode(0o640)
        .owner(1000, 2000)
        .mtime(1_700_000_000, 123_456_789)
        .file("empty", "")
        .mode(0)
        .file("setuid", "s")
        .mode(0o4755)
        .owner(33, 33)
        .file("setgid", "s")
        .mode(0o2755)
        .file("big-owner", "o")
        .owner(3_000_000_000, 4_000_000_000)
        .file("old", "o")
        .mtime(-1, 0)
        .file("new", "n")
        .mtime(1 << 33, 999_999_999)
        .dir("sticky/")
        .mode(0o1777)
        .dir("closed/")
        .mode(0o500)
        .file("closed/in", "in")
        .file("capable", "c")
        .mode(0o755)
        .xattr("security.capability", capability)
        .file("attributed", "a")
        .xattr("user.one", "1")
        .xattr("user.binary", [0, 1, 2, 255])
        .dir("attributed-dir/")
        .xattr("user.dir", "d")
        .symlink("link", "plain")
        .owner(7, 8)
        .symlink("dangling", "/no/where")
        .hardlink("plain-too", "plain")
        .hardlink("sticky/plain-three", "plain")
        .hardlink("link-too", "link")
        .fifo("fifo")
        .mode(0o622)
        .char_device("null", 1, 3)
        .mode(0o666)
        .block_device("disk", 8, 0)
        .mode(0o660)
        .owner(0, 6)
        .char_device("far", 4000, 300_000)
        .file(&long, "long")
        .file("new\nline and blank ", "odd")
        .file(bytes.as_bytes(), "bytes")
        .sparse(
            "sparse",
            1 << 20,
            &[(0, &[b'h'; 512]), (1 << 19, &[b'm'; 4096])],
        );
    let deep_in = |depth| deep[..depth].join("/");
    let layer = (1..=deep.len()).fold(layer, |layer, depth| layer.dir(deep_in(depth) + "/"));
    layer.file(deep_in(deep.len()) + "/file", "deep")
}

fn whiteouts() -> [LayerBuilder; 3] {
    let lower = LayerBuilder::new()
        .dir("./")
        .mode(0o750)
        .dir("a/")
        .file("a/kept", "lower")
        .file("a/gone", "lower")
        .dir("opaque/")
        .mode(0o750)
        .file("opaque/hidden", "lower")
        .dir("opaque/hidden-dir/")
        .file("opaque/hidden-dir/file", "lower")
        .dir("tree/")
        .file("tree/file", "lower")
        .dir("was-dir/")
        .file("was-dir/file", "lower")
        .file("was-file", "lower")
        .symlink("was-link", "a")
        .file("linked", "lower")
        .hardlink("linked-too", "linked");
    let middle = LayerBuilder::new()
        .whiteout("a/gone")
        .dir("opaque/")
        .opaque("opaque")
        .file("opaque/shown", "middle")
        .whiteout("tree")
        .whiteout("was-dir")
        .file("was-dir", "now a file")
        .dir("was-file/")
        .file("was-file/file", "middle")
        .dir("was-link/")
        .file("was-link/file", "middle")
        .file("linked", "middle");
    let upper = LayerBuilder::new()
        .dir("tree/")
        .file("tree/back", "upper")
        .file("a/gone", "back")
        .file("a/kept", "upper")
        .mtime(1_700_000_001, 1)
        .whiteout("linked-too")
        .hardlink("a/kept-too", "a/kept");
    [lower, middle, upper]
}
