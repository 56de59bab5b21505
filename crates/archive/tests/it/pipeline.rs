//! Reading to the end, progress, cancellation, and tars of various lengths.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use windlass_archive::{UnpackErrorOrigin, UnpackOptions, UnpackProgress, UnpackThreads, unpack};
use windlass_oci::Digest;

use crate::builder::Tar;
use crate::sandbox::{chain, confined, options};
use crate::shape::shape;

/// Returns a few bytes at a time, and then an error or the end.
struct SlowReader<'a> {
    bytes: &'a [u8],
    step: usize,
    ended: &'a mut bool,
    fails: bool,
}

impl Read for SlowReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() && self.fails {
            return Err(io::Error::other("cancelled"));
        }
        let length = self.step.min(buffer.len());
        let length = self.bytes.read(&mut buffer[..length])?;
        *self.ended |= length == 0;
        Ok(length)
    }
}

fn threads() -> [UnpackOptions; 2] {
    [UnpackThreads::One, UnpackThreads::Two].map(|threads| UnpackOptions {
        threads,
        ..options()
    })
}

#[test]
fn everything_is_read_to_the_end() {
    confined(|sandbox| {
        let content: Vec<u8> = (0..700_001u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut tar = Tar::new();
        let mut expected = String::new();
        for (index, length) in [0, 1, 511, 512, 513, 262_143, 262_144, 262_145, 700_001]
            .into_iter()
            .enumerate()
        {
            let content = &content[..length];
            tar = tar.file(format!("f{index}"), content);
            let shown = match length {
                0..=64 => format!("\"{}\"", content.escape_ascii()),
                _ => format!("{length} {}", Digest::sha256(content)),
            };
            writeln!(expected, "f{index} {shown}").unwrap();
        }
        let mut tar = tar.end();
        tar.extend(vec![7; 600_000]);
        for options in threads() {
            for step in [997, 65_536, 1 << 20] {
                let root = File::open(sandbox.root()).unwrap();
                let (mut ended, progress) = (false, UnpackProgress::default());
                let blob = SlowReader {
                    bytes: &tar,
                    step,
                    ended: &mut ended,
                    fails: false,
                };
                let unpacked = unpack(blob, root.as_fd(), &options, &progress).unwrap();
                assert!(ended, "the blob was not read to its end");
                assert_eq!(unpacked.diff_id.digest(), &Digest::sha256(&tar));
                assert_eq!(progress.tar_bytes(), tar.len() as u64);
                assert_eq!((progress.entries(), unpacked.entries), (9, 9));
                assert_eq!(shape(&sandbox.root()), expected);
                sandbox.reset();
            }
        }
    });
}

/// A caller cancels by a read error, which is returned unchanged.
#[test]
fn a_read_error_is_returned() {
    confined(|sandbox| {
        let tar = Tar::new().file("f", vec![1; 3_000_000]).end();
        for options in threads() {
            for length in [0, 10, 1000, 262_144, 2_000_000] {
                let root = File::open(sandbox.root()).unwrap();
                let mut ended = false;
                let blob = SlowReader {
                    bytes: &tar[..length],
                    step: 9999,
                    ended: &mut ended,
                    fails: true,
                };
                let error =
                    unpack(blob, root.as_fd(), &options, &UnpackProgress::default()).unwrap_err();
                assert_eq!(chain(&error), "cannot read the layer: cancelled");
                assert_eq!(error.origin(), UnpackErrorOrigin::Input);
                sandbox.reset();
            }
        }
    });
}

/// When an entry fails, the rest of the blob is not read.
#[test]
fn a_failing_entry_stops_reading() {
    confined(|sandbox| {
        let tar = Tar::new()
            .file("../x", "")
            .file("f", vec![1; 8 << 20])
            .end();
        for options in threads() {
            let root = File::open(sandbox.root()).unwrap();
            let mut ended = false;
            let blob = SlowReader {
                bytes: &tar,
                step: 4096,
                ended: &mut ended,
                fails: false,
            };
            let error =
                unpack(blob, root.as_fd(), &options, &UnpackProgress::default()).unwrap_err();
            assert_eq!(chain(&error), "entry ../x: its name leaves the root");
            assert!(!ended, "the whole blob was read");
        }
    });
}
