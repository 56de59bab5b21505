//! Bombs: what a layer may ask for is bounded, and memory does not depend on what it claims (T11, T12).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use windlass_archive::{UnpackErrorOrigin, UnpackLimits, UnpackOptions, UnpackProgress};

use crate::builder::{Entry, Tar, record};
use crate::sandbox::{chain, confined, options};

/// Reads parts of a blob that would not fit memory: each some bytes, so many times.
struct Generated {
    parts: Vec<(Vec<u8>, u64)>,
    at: usize,
}

impl Generated {
    fn new(mut parts: Vec<(Vec<u8>, u64)>) -> Self {
        parts.reverse();
        Self { parts, at: 0 }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((bytes, times)) = self.parts.last_mut() else {
            return Ok(0);
        };
        let length = buffer.len().min(bytes.len() - self.at);
        buffer[..length].copy_from_slice(&bytes[self.at..self.at + length]);
        self.at += length;
        if self.at == bytes.len() {
            self.at = 0;
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

fn refused(parts: Vec<(Vec<u8>, u64)>, why: &str) {
    confined(|sandbox| {
        let root = File::open(sandbox.root()).unwrap();
        let before = resident();
        let blob = Generated::new(parts);
        let error =
            windlass_archive::unpack(blob, root.as_fd(), &options(), &UnpackProgress::default());
        let error = error.unwrap_err();
        assert_eq!(chain(&error).split_once(": ").unwrap().1, why);
        assert_eq!(error.origin(), UnpackErrorOrigin::Layer);
        // Other tests run beside this one.
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
        refused(
            vec![(header, 1), (vec![b'a'; 1 << 16], GIB >> 16)],
            TOO_LARGE,
        );
    }
    // Together, too.
    let half = |flag| {
        Entry::new(flag, "half")
            .content(vec![b'a'; 600 << 10])
            .bytes()
    };
    refused(vec![(half(b'L'), 1), (half(b'K'), 1)], TOO_LARGE);
}

/// T11: rows of extension headers, and a header of very many records.
#[test]
fn rows_of_extension_headers_are_refused() {
    let records = Entry::new(b'x', "p")
        .content(record(b"comment", b"c"))
        .bytes();
    refused(vec![(records, 1_000_000)], "two PAX headers for one entry");
    let mut many = Entry::file("f", "");
    for _ in 0..80_000 {
        many = many.raw_pax(b"15 comment=abc\n");
    }
    refused(vec![(Tar::new().entry(many).end(), 1)], TOO_LARGE);
}

/// T11: sparse maps without end.
#[test]
fn sparse_maps_are_bounded() {
    let pax = Entry::file("f", "")
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.realsize", "1")
        .pax("size", GIB.to_string());
    let map = (b"10000000\n".to_vec(), 1);
    refused(
        vec![(pax.bytes(), 1), map, (b"0\n".to_vec(), 20_000_000)],
        TOO_LARGE,
    );

    let mut gnu = Entry::new(b'S', "f")
        .field(crate::builder::MAGIC, b"ustar  \0")
        .field(483..495, b"00000000001");
    gnu.header[482] = 1;
    let mut more = [b"00000000000\0".repeat(42), vec![1]].concat();
    more.resize(512, 0);
    refused(vec![(gnu.bytes(), 1), (more, 10_000_000)], TOO_LARGE);
}

/// T12: with a limit, a bomb ends soon after it.
#[test]
fn a_long_tar_is_refused() {
    confined(|sandbox| {
        let root = File::open(sandbox.root()).unwrap();
        let header = Entry::new(b'0', "bomb")
            .number(crate::builder::SIZE, 50 * GIB)
            .bytes();
        for threads in [
            windlass_archive::UnpackThreads::One,
            windlass_archive::UnpackThreads::Two,
        ] {
            let blob = Generated::new(vec![(header.clone(), 1), (vec![0; 1 << 16], GIB)]);
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

/// Directories cost memory until the end: one entry can ask for thousands.
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
        let refusal = sandbox.refusal(&Tar::new().file(name, "").end(), &options);
        assert!(refusal.ends_with(
            "too many directories: they need more than the limit of 1048576 bytes of memory"
        ));
    });
}

/// Chained links make one entry take thousands of steps: a small layer must not ask for days.
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
        // Six steps each, which lead nowhere: nothing is remembered.
        let tar = Tar::new().dir("a").symlink("l", "a/../a/../a");
        let tar = (0..9).fold(tar, |tar, link| {
            tar.link(format!("h{link}"), format!("l/none/x{link}"))
        });
        let refusal = sandbox.refusal(&tar.end(), &options);
        assert_eq!(refusal, "entry h3: too many levels of symbolic links");
    });
}
