use super::entry::decimal_time;
use super::*;
use std::process::{Command, Stdio};

/// All kinds of entries that GNU tar can list.
fn various() -> LayerBuilder {
    LayerBuilder::new()
        .dir("usr/bin")
        .file("usr/bin/sudo", b"12345")
        .mode(0o4755)
        .owner(1000, 3_000_000)
        .hardlink("usr/bin/sudoedit", "usr/bin/sudo")
        .symlink("bin", "usr/bin")
        .file(format!("long/{}", "n".repeat(120)), b"")
        .mtime(-2, 0)
        .file("soon", b"")
        .mtime(1 << 33, 250_000_000)
        .fifo("run/fifo")
        .mode(0o600)
        .char_device("dev/null", 1, 3)
        .block_device("dev/sda", 8, 0)
        .whiteout("etc/old")
        .opaque("var")
        .xattr("user.note", b"a\0b")
        .sparse("holes", 1 << 20, &[(4096, &[1; 512]), (1 << 19, b"more")])
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    assert_eq!(various().tar(), various().tar());
    let packed = LayerBuilder::new().file("etc/motd", b"welcome\n").pack();
    assert_eq!(
        packed.diff_id.to_string(),
        "sha256:aa5e4b5e4fab82bb49294cd64f2f94a4aba542450ec8d873c5dc20c34616d860",
    );
    assert_eq!(packed.digest, Digest::sha256(&packed.bytes));
    let plain = LayerBuilder::of_size(1000)
        .compressed(BlobCompression::Plain)
        .pack();
    assert_eq!(*plain.diff_id.digest(), plain.digest);
}

/// GNU tar lists the entries as they were added.
#[test]
fn gnu_tar_reads_the_layer() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("layer.tar");
    std::fs::write(&archive, various().tar()).unwrap();
    let listing = Command::new("tar")
        .args([
            "--list",
            "--verbose",
            "--numeric-owner",
            "--full-time",
            "--file",
        ])
        .arg(&archive)
        .env("TZ", "UTC")
        .stderr(Stdio::inherit())
        .output();
    let Ok(listing) = listing else {
        eprintln!("not run: needs tar");
        return;
    };
    assert!(listing.status.success());
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let listing = String::from_utf8(listing.stdout).unwrap();
    let listing: Vec<_> = listing.lines().map(words).collect();
    let long = format!(
        "-rw-r--r-- 0/0 0 1969-12-31 23:59:58 long/{}",
        "n".repeat(120)
    );
    assert_eq!(
        listing,
        [
            "drwxr-xr-x 0/0 0 2020-01-01 00:00:00 usr/bin/",
            "-rwsr-xr-x 1000/3000000 5 2020-01-01 00:00:00 usr/bin/sudo",
            "hrw-r--r-- 0/0 0 2020-01-01 00:00:00 usr/bin/sudoedit link to usr/bin/sudo",
            "lrwxrwxrwx 0/0 0 2020-01-01 00:00:00 bin -> usr/bin",
            &long,
            "-rw-r--r-- 0/0 0 2242-03-16 12:56:32.25 soon",
            "prw------- 0/0 0 2020-01-01 00:00:00 run/fifo",
            "crw-r--r-- 0/0 1,3 2020-01-01 00:00:00 dev/null",
            "brw-r--r-- 0/0 8,0 2020-01-01 00:00:00 dev/sda",
            "-rw-r--r-- 0/0 0 2020-01-01 00:00:00 etc/.wh.old",
            "-rw-r--r-- 0/0 0 2020-01-01 00:00:00 var/.wh..wh..opq",
            "-rw-r--r-- 0/0 1048576 2020-01-01 00:00:00 holes",
        ]
    );

    let extracted = Command::new("tar")
        .arg("--directory")
        .arg(directory.path())
        .args(["--extract", "--file"])
        .arg(&archive)
        .arg("holes")
        .status()
        .unwrap();
    assert!(extracted.success());
    let mut expected = vec![0; 1 << 20];
    expected[4096..4096 + 512].fill(1);
    expected[1 << 19..(1 << 19) + 4].copy_from_slice(b"more");
    let holes = std::fs::read(directory.path().join("holes")).unwrap();
    assert!(holes == expected, "the sparse file has other content");
}

#[test]
fn a_reader_of_any_size_becomes_a_layer() {
    let tar = various().tar();
    let packed = PackedLayer::from_reader(&*tar, BlobCompression::Gzip).unwrap();
    assert_eq!(packed.diff_id, various().pack().diff_id);
    assert_eq!(packed.digest, Digest::sha256(&packed.bytes));
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(&*packed.bytes)
        .read_to_end(&mut back)
        .unwrap();
    assert_eq!(back, tar);
}

#[test]
fn a_size_is_that_of_the_blob() {
    let packed = LayerBuilder::of_size(100_000).pack();
    assert!((100_000..103_000).contains(&packed.size), "{}", packed.size);
    assert_ne!(
        LayerBuilder::of_size_seeded(9, 2).tar(),
        LayerBuilder::of_size(9).tar()
    );
}

#[test]
fn times_before_1970_count_towards_zero() {
    assert_eq!(decimal_time(-1, 500_000_000), "-0.500000000");
    assert_eq!(decimal_time(-2, 0), "-2");
    assert_eq!(decimal_time(1, 1), "1.000000001");
}
