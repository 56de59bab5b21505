//! The image of the demo: windlass with the libraries of this machine that it needs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::json;
use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, PackedImage};

/// The directory of the documents in the image.
pub(super) const DOCS: &str = "usr/share/doc/windlass";
/// A document that one layer has and a later one removes.
pub(super) const DRAFT: &str = "DRAFT.md";

/// Builds the image around the program `windlass`.
pub(super) fn of_this_machine(windlass: &Path) -> anyhow::Result<PackedImage> {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let image = ImageBuilder::new()
        .layer(base(windlass)?.compressed(BlobCompression::GzipMembers(2)))
        .created_by("the loader and the libraries of this machine, and a little of /etc")
        .layer(documents()?.compressed(BlobCompression::Zstd))
        .created_by("COPY docs /usr/share/doc/windlass/")
        .layer(program(windlass)?.compressed(BlobCompression::ZstdFrames(4)))
        .created_by("COPY windlass /usr/bin/")
        .layer(finish().compressed(BlobCompression::Gzip))
        .created_by("RUN rm /usr/share/doc/windlass/DRAFT.md")
        .empty_step("CMD [\"windlass\" \"version\"]")
        .config(|config| {
            config["created"] = json!(now);
            config["config"]["Cmd"] = json!(["windlass", "version"]);
            let steps = config["history"].as_array_mut().into_iter().flatten();
            steps.for_each(|step| step["created"] = json!(now));
        });
    Ok(image.pack())
}

/// Directories, `/etc`, and the shared libraries that `windlass` needs.
fn base(windlass: &Path) -> anyhow::Result<LayerBuilder> {
    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
    let libraries = libraries(windlass)?;
    let places: anyhow::Result<Vec<_>> = libraries.iter().map(|path| place(path)).collect();
    let places = places?;
    let mut layer = with_parents(LayerBuilder::new(), &places)
        .dir("etc")
        .file("etc/passwd", PASSWD)
        .file("etc/group", "root:x:0:\nnogroup:x:65534:\n")
        .file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        .dir("root")
        .mode(0o700)
        .dir("tmp")
        .mode(0o1777);
    let os_release = Path::new("/etc/os-release");
    if os_release.exists() {
        layer = with_file(layer, "etc/os-release", os_release)?;
    }
    for (library, place) in libraries.iter().zip(places) {
        layer = with_file(layer, place, library)?.mode(0o755);
    }
    Ok(layer)
}

/// The documents of the project, and one that a later layer removes.
fn documents() -> anyhow::Result<LayerBuilder> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let places = [
        project.clone(),
        project.join("docs"),
        project.join("docs/decisions"),
    ];
    let mut layer = with_parents(LayerBuilder::new(), &[DOCS]).dir(DOCS);
    for place in places {
        for path in files(&place)? {
            let is_document =
                path.extension().is_some_and(|it| it == "md") || path.ends_with("LICENSE");
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(name) = name.filter(|_| is_document) {
                layer = with_file(layer, &format!("{DOCS}/{name}"), &path)?;
            }
        }
    }
    Ok(layer.file(format!("{DOCS}/{DRAFT}"), "Not yet.\n"))
}

fn program(windlass: &Path) -> anyhow::Result<LayerBuilder> {
    let (place, link) = ("usr/bin/windlass", "usr/local/bin/windlass");
    let layer = with_parents(LayerBuilder::new(), &[place, link]);
    let layer = with_file(layer, place, windlass)?.mode(0o755);
    Ok(layer.symlink(link, "/usr/bin/windlass"))
}

fn finish() -> LayerBuilder {
    let welcome = "This root filesystem was pulled by windlass.\n";
    let draft = format!("{DOCS}/{DRAFT}");
    with_parents(LayerBuilder::new(), &[&draft, "etc/motd"])
        .whiteout(&draft)
        .file("etc/motd", welcome)
        .hardlink("etc/issue", "etc/motd")
}

/// Returns the shared libraries and the loader of a program, at the paths where it loads them; none if it is
/// linked statically.
fn libraries(program: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut ldd = Command::new("ldd");
    // Cargo sets it to its own directories.
    ldd.arg(program).env_remove("LD_LIBRARY_PATH");
    let output = ldd.output().context("running ldd")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    // `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib/ld-linux.so.2 (0x…)`
    let words = listing.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

/// Adds the parent directories of all `places`, each once.
fn with_parents(layer: LayerBuilder, places: &[&str]) -> LayerBuilder {
    let parents = |place: &'_ &str| {
        let slashes = place.match_indices('/');
        let parents = slashes.map(|(at, _)| place[..at].to_owned());
        parents.collect::<Vec<_>>()
    };
    let directories: BTreeSet<_> = places.iter().flat_map(parents).collect();
    directories.iter().fold(layer, LayerBuilder::dir)
}

/// Returns the path in an image for an absolute `path`.
fn place(path: &Path) -> anyhow::Result<&str> {
    let place = path.strip_prefix("/").unwrap_or(path);
    place.to_str().context("libraries have names in UTF-8")
}

/// Adds a file of this machine, with its time and the default mode.
fn with_file(layer: LayerBuilder, place: &str, source: &Path) -> anyhow::Result<LayerBuilder> {
    let reading = || format!("reading {}", source.display());
    let bytes = fs::read(source).with_context(reading)?;
    let time = fs::metadata(source).with_context(reading)?.mtime();
    Ok(layer.file(place, bytes).mtime(time, 0))
}

fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let Ok(children) = fs::read_dir(directory) else {
        return Ok(Vec::new());
    };
    let paths: Result<Vec<_>, _> = children.map(|child| Ok(child?.path())).collect();
    let mut paths = paths.map_err(|error: std::io::Error| error)?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
