//! Decompression bombs: resources are limited, and memory does not depend on claimed sizes (T11, T12).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use windlass_archive::{UnpackErrorOrigin, UnpackLimits, UnpackOptions, UnpackProgress};

use crate::builder::{Entry, Tar, record};
use crate::sandbox::{chain, confined, options};

/// Reads a generated blob that is larger than memory. Each part is repeated a number of times.
struct GeneratedBlob {
    /// The remaining parts and their repetitions, the next part last.
    parts: Vec<(Vec<u8>, u64)>,
    /// The position in the current part.
    position: usize,
}

impl GeneratedBlob {
    fn new(mut parts: Vec<(Vec<u8>, u64)>) -> Self {
        parts.reverse();
        Self { parts, position: 0 }
    }
}

impl Read for GeneratedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((bytes, times)) = self.parts.last_mut() else {
            return Ok(0);
        };
        let length = buffer.len().min(bytes.len() - self.position);
        buffer[..length].copy_from_slice(&bytes[self.position..self.position + length]);
        self.position += length;
        if self.position == bytes.len() {
            self.position = 0;
            *times -= 1;
            if *times == 0 {
                self.parts.pop();
            }
        }
        Ok(length)
    }
}

/// Returns the resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

fn assert_rejected(parts: Vec<(Vec<u8>, u64)>, expected: &str) {
    confined(|sandbox| {
        let root = File::open(sandbox.root()).unwrap();
        let before = resident();
        let blob = GeneratedBlob::new(parts);
        let error =
            windlass_archive::unpack(blob, root.as_fd(), &options(), &UnpackProgress::default());
        let error = error.unwrap_err();
        assert_eq!(chain(&error).split_once(": ").unwrap().1, expected);
        assert_eq!(error.origin(), UnpackErrorOrigin::Layer);
        // Other tests run at the same time, so the threshold is high.
        let grown = resident().saturating_sub(before);
        assert!(grown < 256 << 20, "{grown} bytes more are resident");
    });
}

const TOO_LARGE: &str = "extension headers exceed the limit of 1048576 bytes";
const GIB: u64 = 1 << 30;

/// T11: extension headers of 1 GiB.
#[test]
fn extension_headers_are_bounded() {
    for flag in *b"xgLK" {
        let header = Entry::new(flag, "bomb")
            .number(crate::builder::SIZE, GIB)
            .bytes();
        assert_rejected(
            vec![(header, 1), (vec![b'a'; 1 << 16], GIB >> 16)],
            TOO_LARGE,
        );
    }
    // The limit applies to all extension headers of an entry together.
    let half = |flag| {
        Entry::new(flag, "half")
            .content(vec![b'a'; 600 << 10])
            .bytes()
    };
    assert_rejected(vec![(half(b'L'), 1), (half(b'K'), 1)], TOO_LARGE);
}

/// T11: many extension headers, and a header with many records.
#[test]
fn many_extension_headers_are_rejected() {
    let records = Entry::new(b'x', "p")
        .content(record(b"comment", b"c"))
        .bytes();
    assert_rejected(vec![(records, 1_000_000)], "two PAX headers for one entry");
    let mut many = Entry::file("f", "");
    for _ in 0..80_000 {
        many = many.raw_pax(b"15 comment=abc\n");
    }
    assert_rejected(vec![(Tar::new().entry(many).end(), 1)], TOO_LARGE);
}

/// T11: endless sparse maps.
#[test]
fn sparse_maps_are_bounded() {
    let pax = Entry::file("f", "")
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.realsize", "1")
        .pax("size", GIB.to_string());
    let map = (b"10000000\n".to_vec(), 1);
    assert_rejected(
        vec![(pax.bytes(), 1), map, (b"0\n".to_vec(), 20_000_000)],
        TOO_LARGE,
    );

    let mut gnu = Entry::new(b'S', "f")
        .field(crate::builder::MAGIC, b"ustar  \0")
        .field(483..495, b"00000000001");
    gnu.header[482] = 1;
    let mut more = [b"00000000000\0".repeat(42), vec![1]].concat();
    more.resize(512, 0);
    assert_rejected(vec![(gnu.bytes(), 1), (more, 10_000_000)], TOO_LARGE);
}

/// T12: unpacking stops soon after the limit is exceeded.
#[test]
fn a_long_tar_is_rejected() {
    confined(|sandbox| {
        let root = File::open(sandbox.root()).unwrap();
        let header = Entry::new(b'0', "bomb")
            .number(crate::builder::SIZE, 50 * GIB)
            .bytes();
        for threads in [
            windlass_archive::UnpackThreads::One,
            windlass_archive::UnpackThreads::Two,
        ] {
            let blob = GeneratedBlob::new(vec![(header.clone(), 1), (vec![0; 1 << 16], GIB)]);
            let options = UnpackOptions {
                threads,
                limits: UnpackLimits {
                    tar_bytes: 16 << 20,
                    ..UnpackLimits::default()
                },
                ..options()
            };
            let error =
                windlass_archive::unpack(blob, root.as_fd(), &options, &UnpackProgress::default());
            assert_eq!(
                chain(&error.unwrap_err()),
                "the layer's tar is longer than the limit of 16777216 bytes"
            );
            let written = std::fs::metadata(sandbox.root().join("bomb"))
                .unwrap()
                .len();
            assert!(written <= 16 << 20, "{written} bytes were written");
        }
    });
}

/// Directories need memory until the end of the tar, and one entry can imply thousands of them.
#[test]
fn directories_are_bounded() {
    confined(|sandbox| {
        let options = UnpackOptions {
            limits: UnpackLimits {
                directory_bytes: 1 << 20,
                ..UnpackLimits::default()
            },
            ..options()
        };
        let name = vec!["d"; 2000].join("/");
        let error = sandbox.unpack_error(&Tar::new().file(name, "").end(), &options);
        assert!(error.ends_with(
            "too many directories: they need more than the limit of 1048576 bytes of memory"
        ));
    });
}

/// With chained links, one entry can take thousands of steps. A small layer must not take days.
#[test]
fn steps_through_links_are_bounded() {
    confined(|sandbox| {
        let options = UnpackOptions {
            limits: UnpackLimits {
                link_steps: 20,
                ..UnpackLimits::default()
            },
            ..options()
        };
        // Six steps each, to a missing directory, so nothing is cached.
        let tar = Tar::new().dir("a").symlink("l", "a/../a/../a");
        let tar = (0..9).fold(tar, |tar, link| {
            tar.link(format!("h{link}"), format!("l/none/x{link}"))
        });
        let error = sandbox.unpack_error(&tar.end(), &options);
        assert_eq!(error, "entry h3: too many levels of symbolic links");
    });
}
