//! The merged tar unpacks to the same tree as the layers on top of each other.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;

use proptest::prelude::*;
use windlass_archive::{
    Compression, FlattenError, LayerFlattener, UnpackError, UnpackLimits, UnpackOptions,
    UnpackProgress,
};

use crate::builder::{Entry, Tar};
use crate::sandbox::{Sandbox, chain, confined, flatten, is_root};
use crate::shape::{full, shape};

/// Flattens layers. Panics on an error.
fn flat(layers: &[Vec<u8>]) -> Vec<u8> {
    try_flat(layers).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub(crate) fn try_flat(layers: &[Vec<u8>]) -> Result<Vec<u8>, UnpackError> {
    let mut flattening = LayerFlattener::default();
    let mut diff_ids = Vec::new();
    for layer in layers {
        diff_ids.push(flattening.scan_layer(&**layer)?.diff_id);
    }
    let mut bytes = Vec::new();
    let mut tar = flattening.write(&mut bytes);
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        if tar.needs_next_layer() {
            assert_eq!(tar.write_layer(&**layer).unwrap(), diff_id);
        } else {
            tar.skip_next_layer();
        }
    }
    tar.finish().unwrap();
    Ok(bytes)
}

/// Unpacks layers on top of each other into a new directory.
fn unpacked(sandbox: &Sandbox, layers: &[Vec<u8>]) -> Result<String, UnpackError> {
    sandbox.reset();
    let time = std::time::SystemTime::UNIX_EPOCH;
    File::open(sandbox.root())
        .unwrap()
        .set_modified(time)
        .unwrap();
    for layer in layers {
        sandbox.unpack(layer, &flatten())?;
    }
    Ok(full(&sandbox.root()))
}

/// Asserts that the layers and their merged tar unpack to the same tree, and returns it.
pub(crate) fn assert_same(sandbox: &Sandbox, layers: &[Vec<u8>]) -> String {
    let expected = unpacked(sandbox, layers).unwrap_or_else(|error| panic!("{}", chain(&error)));
    let flat = flat(layers);
    assert_eq!(
        unpacked(sandbox, std::slice::from_ref(&flat)).unwrap(),
        expected
    );
    assert_eq!(
        self::flat(std::slice::from_ref(&flat)),
        flat,
        "flattening a merged tar changes it"
    );
    expected
}

/// Returns the user and group of this process as they appear in [`full`].
fn current_owner() -> String {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    format!("{}:{}", uid.as_raw(), gid.as_raw())
}

/// Returns the paths and link targets in the order of the tar.
fn listed(tar: &[u8]) -> Vec<String> {
    let memory = rustix::fs::memfd_create("tar", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(memory);
    file.write_all(tar).unwrap();
    let mut names = Vec::new();
    windlass_archive::list_members(&file, |member| {
        let name = member.path.escape_ascii().to_string();
        names.push(match member.kind {
            windlass_archive::TarMemberKind::HardLink(to) => {
                format!("{name} = {}", to.escape_ascii())
            }
            windlass_archive::TarMemberKind::Symlink(to) => {
                format!("{name} -> {}", to.escape_ascii())
            }
            _ => name,
        });
        Ok::<_, UnpackError>(())
    })
    .unwrap();
    names
}

#[test]
fn files_are_ordered_by_layer_and_directories_are_last() {
    let below = Tar::new()
        .dir("./")
        .file("z/deep/f", "below")
        .file("a", "replaced")
        .file("b", "below")
        .end();
    let above = Tar::new()
        .file("c", "above")
        .file("a", "above")
        .dir("b.d")
        .end();
    let tar = flat(&[below, above]);
    assert_eq!(
        listed(&tar),
        ["z/deep/f", "b", "c", "a", "z/deep/", "z/", "b.d/", "./"]
    );
}

/// If no layer has an entry for the root, unpacking must not change the metadata of the target directory.
#[test]
fn the_root_has_an_entry_if_a_layer_has_one() {
    assert_eq!(listed(&flat(&[Tar::new().file("a", "").end()])), ["a"]);
    assert_eq!(flat(&[Tar::new().end(), Vec::new()]), [0; 1024]);
    assert_eq!(flat(&[]), [0; 1024]);
}

/// The first remaining name has the content, even if it was a link in the layer.
#[test]
fn hard_links_keep_their_content_when_a_name_is_removed() {
    confined(|sandbox| {
        let below = Tar::new()
            .file("m", "content")
            .link("z", "m")
            .link("b", "m")
            .symlink("s", "m")
            .link("t", "s")
            .end();
        let above = Tar::new()
            .file("b", "another")
            .file(".wh.m", "")
            .link("d/new", "z")
            .end();
        let layers = [below, above];
        let tar = flat(&layers);
        assert_eq!(
            listed(&tar),
            ["z", "d/new = z", "s -> m", "t = s", "b", "d/"]
        );
        assert_same(sandbox, &layers);
    });
}

#[test]
fn whiteouts_only_remove_files_of_lower_layers() {
    confined(|sandbox| {
        let below = Tar::new()
            .file("d/old", "")
            .file("e/old", "")
            .file("gone/x", "")
            .file("kept", "below")
            .end();
        let above = Tar::new()
            .file("d/new", "")
            .file("d/.wh..wh..opq", "")
            .file("e/new", "")
            .file(".wh.e", "")
            .file(".wh.gone", "")
            .file("kept", "above")
            .file(".wh.kept", "")
            .end();
        let layers = [below, above];
        let names = ["d/new", "e/new", "kept", "e/", "d/"];
        assert_eq!(listed(&flat(&layers)), names);
        assert_same(sandbox, &layers);
    });
}

/// Attributes, times before 1970 and after 2242, large owners, long names, holes, set-ID bits.
#[test]
fn all_metadata_is_preserved() {
    confined(|sandbox| {
        let long = "n/".repeat(80) + "name";
        let owner = if is_root("large owners") {
            3_000_000
        } else {
            0
        };
        let map = "2\n3\n4\n9000\n2\n";
        let mut sparse = map.as_bytes().to_vec();
        sparse.resize(512, 0);
        sparse.extend(b"dataXY");
        let holes = Entry::file("GNUSparseFile.0/s", sparse)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", "holes")
            .pax("GNU.sparse.realsize", "70000");
        let below = Tar::new()
            .entry(Entry::dir("./").mode(0o1777))
            .entry(Entry::dir("d").xattr("user.old", "gone").mode(0o2750))
            .entry(Entry::file(&long, "content").xattr("user.a=b", ""))
            .entry(Entry::file("old", "").pax("mtime", "-1.25"))
            .entry(Entry::file("late", "").pax("mtime", "9000000000.000000001"))
            .entry(Entry::file("setuid", "x").mode(0o4755).owner(owner, owner))
            .entry(Entry::symlink("link", &long))
            .entry(Entry::fifo("fifo").mode(0o600))
            .entry(holes)
            .entry(Entry::file([0xff, b'\n'], "bytes"))
            .end();
        let above = Tar::new()
            .entry(
                Entry::dir("d")
                    .xattr("user.x", b"\0\n=")
                    .xattr("user.y", "1"),
            )
            .entry(Entry::dir("d").xattr("user.y", "2").mode(0o700))
            .end();
        let tree = assert_same(sandbox, &[below, above]);
        let lines = tree.split_inclusive('\n');
        let (long_lines, lines): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("n/"));
        let (time, of_user) = ("1000000000.000000000", current_owner());
        let of_setuid = match owner {
            0 => of_user.clone(),
            _ => format!("{owner}:{owner}"),
        };
        let mut holes = vec![0; 70_000];
        holes[3..7].copy_from_slice(b"data");
        holes[9000..9002].copy_from_slice(b"XY");
        let holes = windlass_oci::Digest::sha256(holes);
        assert_eq!(
            lines.concat(),
            format!(
                "./ 1777 {of_user} {time}\n\
                 d/ 700 {of_user} {time} user.x=\\x00\\n= user.y=2\n\
                 fifo fifo 600 {of_user} {time}\n\
                 holes 70000 {holes} 644 {of_user} {time}\n\
                 late \"\" 644 {of_user} 9000000000.000000001\n\
                 link -> {long} 777 {of_user} {time}\n\
                 old \"\" 644 {of_user} -2.750000000\n\
                 setuid \"x\" 4755 {of_setuid} {time}\n\
                 \\xff\\n \"bytes\" 644 {of_user} {time}\n"
            )
        );
        assert_eq!(
            long_lines.last().copied().unwrap_or_default(),
            format!("{long} \"content\" 644 {of_user} {time} user.a=b=\n")
        );
        let tar = flat(&[Tar::new().file("f", "").end()]);
        assert!(tar.len() < 2048, "an ordinary file needs no PAX records");
    });
}

/// Devices are written even without root.
#[test]
fn devices_are_preserved() {
    let layer = Tar::new()
        .entry(Entry::device(b'3', "null", 1, 3))
        .entry(Entry::device(b'4', "disk", 4095, 1_048_575))
        .link("zero", "null")
        .end();
    let tar = flat(std::slice::from_ref(&layer));
    assert_eq!(listed(&tar), ["null", "zero = null", "disk"]);
    confined(|sandbox| {
        if is_root("device nodes") {
            assert_same(sandbox, &[layer]);
        }
    });
}

/// Labels of the host on which the layer was created are dropped.
#[test]
fn attributes_that_unpack_drops_are_dropped() {
    let entry = Entry::file("f", "")
        .xattr("security.selinux", "label")
        .xattr("trusted.overlay.opaque", "y");
    let directory = Entry::dir("d").xattr("user.overlay.opaque", "y");
    let layer = Tar::new().entry(entry).entry(directory).end();
    let tar = flat(&[layer]);
    let text = String::from_utf8_lossy(&tar).into_owned();
    assert!(!text.contains("SCHILY"), "{text}");
}

/// A link keeps the original content when its target is replaced in the same layer.
#[test]
fn a_link_keeps_its_content_when_its_target_is_replaced() {
    confined(|sandbox| {
        let layer = Tar::new()
            .file("a", "first")
            .link("b", "a")
            .file("a", "second")
            .dir("c")
            .file("c/x", "inside")
            .link("y", "c/x")
            .file("c", "no directory any more")
            .end();
        assert_same(sandbox, &[layer]);
        assert_eq!(
            shape(&sandbox.root()),
            "a \"second\"\nb \"first\"\nc \"no directory any more\"\ny \"inside\"\n"
        );
    });
}

#[test]
fn corrupt_layers_have_the_same_errors_as_in_unpack() {
    let good = Tar::new().file("a", "content").end();
    let cut = Tar::new().file("a", vec![1; 600]).end();
    let layers = [good.clone(), cut[..700].to_vec()];
    let error = try_flat(&layers).map(drop).unwrap_err();
    assert!(matches!(error, UnpackError::Tar { .. }), "{error:?}");
    let error = try_flat(&[b"BZh91AY&SY".to_vec()]).map(drop).unwrap_err();
    assert!(matches!(error, UnpackError::UnsupportedCompression { .. }));

    // If the blob differs from the scanned one, the digest differs.
    let mut flattening = LayerFlattener::default();
    let scanned = flattening.scan_layer(&*good).unwrap();
    assert_eq!(scanned.entries, 1);
    let mut tar = flattening.write(std::io::sink());
    let other = Tar::new().dir("a").end();
    assert!(tar.needs_next_layer());
    assert_ne!(tar.write_layer(&*other).unwrap(), scanned.diff_id);
    assert!(!tar.needs_next_layer());
}

/// An error of the writer is reported as such, and the incomplete tar has no end marker.
#[test]
fn write_errors_are_distinguished_from_layer_errors() {
    let layer = Tar::new().file("a", vec![7; 100_000]).end();
    let mut output = vec![0; 5000];
    let mut flattening = LayerFlattener::default();
    flattening.scan_layer(&*layer).unwrap();
    let mut tar = flattening.write(&mut output[..]);
    let error = tar.write_layer(&*layer).unwrap_err();
    assert!(matches!(error, FlattenError::Write(_)), "{error:?}");
    drop(tar);
    assert_eq!(output.last(), Some(&7));
}

#[test]
fn the_memory_for_names_is_limited() {
    let mut tar = Tar::new();
    for number in 0..100 {
        tar = tar.file(format!("{number}"), "");
    }
    let options = UnpackOptions {
        limits: UnpackLimits {
            tree_bytes: 10_000,
            ..UnpackLimits::default()
        },
        ..UnpackOptions::default()
    };
    let error = LayerFlattener::new(options)
        .scan_layer(&*tar.end())
        .unwrap_err();
    let expected = "too many entries: they need more than the limit of 10000 bytes of memory";
    assert!(chain(&error).ends_with(expected), "{}", chain(&error));
}

/// A file that is replaced in the same layer needs no memory.
#[test]
fn replaced_files_need_no_memory() {
    let mut tar = Tar::new();
    for number in 0..1000 {
        tar = tar
            .dir("d")
            .dir(format!("d/{number}"))
            .entry(Entry::dir("d/x").xattr("user.a", vec![b'x'; 100]))
            .file("d/x/y", "")
            .file("d", "");
    }
    let options = UnpackOptions {
        limits: UnpackLimits {
            tree_bytes: 4000,
            ..UnpackLimits::default()
        },
        ..UnpackOptions::default()
    };
    LayerFlattener::new(options)
        .scan_layer(&*tar.end())
        .unwrap();
}

/// An arbitrary entry. Its path is likely to collide with those of other entries.
#[derive(Clone)]
struct ArbitraryEntry {
    path: String,
    description: String,
    entry: Entry,
}

impl fmt::Debug for ArbitraryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.description)
    }
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => "[a-c]", 1 => Just("..".to_owned())];
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn arbitrary_entry() -> impl Strategy<Value = ArbitraryEntry> {
    let kinds = (0..16, path(), path(), 0..0o1000u64, any::<bool>());
    kinds.prop_map(|(kind, path, other, mode, has_attribute)| {
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", &path));
        let hidden = format!("{directory}/.wh.{name}");
        let opaque = format!("{path}/.wh..wh..opq");
        let description = format!("kind {kind} of {other}, {mode:o}");
        let (path, entry) = match kind {
            0..=3 => (path.clone(), Entry::file(&path, other).mode(mode)),
            4..=6 => (path.clone(), Entry::dir(&path).mode(mode | 0o700)),
            7 | 8 => (path.clone(), Entry::symlink(&path, other)),
            9 => (path.clone(), Entry::symlink(&path, format!("/{other}"))),
            10 | 11 => (path.clone(), Entry::link(&path, other)),
            12 => (path.clone(), Entry::fifo(&path).mode(mode)),
            13 => (".".to_owned(), Entry::dir(".").mode(mode | 0o700)),
            14 => (hidden.clone(), Entry::file(hidden, "")),
            _ => (opaque.clone(), Entry::file(opaque, "")),
        };
        let entry = match (has_attribute, kind) {
            (true, 0..=6 | 13) => entry.xattr(&format!("user.{mode}"), "value"),
            _ => entry,
        };
        ArbitraryEntry {
            path,
            description,
            entry,
        }
    })
}

fn tar(layer: &[ArbitraryEntry]) -> Vec<u8> {
    let entries = layer.iter().map(|it| it.entry.clone());
    entries.fold(Tar::new(), Tar::entry).end()
}

/// For arbitrary layers, flattening has the same result as [`windlass_archive::unpack`], or the same error. An entry with
/// an error is removed, and the test continues with the others.
#[test]
fn arbitrary_layers_have_the_same_result_as_in_unpack() {
    confined(|sandbox| {
        let layers = prop::collection::vec(prop::collection::vec(arbitrary_entry(), 0..14), 1..5);
        let config = ProptestConfig {
            cases: 100,
            failure_persistence: None,
            max_shrink_iters: 2000,
            ..ProptestConfig::default()
        };
        proptest!(config, |(layers in layers)| {
            let mut layers = layers;
            loop {
                let tars: Vec<_> = layers.iter().map(|layer| tar(layer)).collect();
                let error = match unpacked(sandbox, &tars) {
                    Ok(expected) => {
                        let flat = flat(&tars);
                        prop_assert_eq!(unpacked(sandbox, &[flat]).unwrap(), expected);
                        break;
                    }
                    Err(error) => error,
                };
                let same = try_flat(&tars).map(drop).expect_err("unpack rejects it");
                prop_assert_eq!(chain(&same), chain(&error));
                let UnpackError::Entry { path, .. } = &error else {
                    panic!("{}", chain(&error));
                };
                let before: usize = layers.iter().map(Vec::len).sum();
                for layer in &mut layers {
                    layer.retain(|it| it.path.as_bytes() != path.as_bytes());
                }
                let after: usize = layers.iter().map(Vec::len).sum();
                prop_assert!(after < before, "{}", chain(&error));
            }
        });
    });
}

/// The merged tar is not compressed, whatever the compression of the layers is.
#[test]
fn the_compression_of_layers_does_not_matter() {
    use flate2::write::GzEncoder;
    let plain = Tar::new().file("a", vec![1; 300_000]).end();
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let tar = flat(&[gzip]);
    assert_eq!(tar, flat(&[plain]));
    let directory = tempfile::tempdir().unwrap();
    let into = File::open(directory.path()).unwrap();
    let unpacked =
        windlass_archive::unpack(&*tar, into.as_fd(), &flatten(), &UnpackProgress::default())
            .unwrap();
    assert_eq!(unpacked.compression, Compression::Plain);
}
