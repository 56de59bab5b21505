//! The compression is detected from the content, and the whole stream is verified (T14).

use std::io::Write;

use flate2::write::GzEncoder;
use windlass_archive::Compression;
use windlass_oci::Digest;

use crate::builder::Tar;
use crate::sandbox::{Sandbox, all_options, confined, options};
use crate::shape::shape;

fn tar() -> Vec<u8> {
    let content: Vec<u8> = (0..100_000u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    Tar::new().file("f", content).file("g", "g").end()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn assert_accepted(sandbox: &Sandbox, blob: &[u8], compression: Compression) {
    for options in all_options() {
        let unpacked = sandbox.unpack_ok(blob, &options);
        assert_eq!(unpacked.compression, compression);
        assert_eq!(unpacked.diff_id.digest(), &Digest::sha256(tar()));
        assert_eq!(shape(&sandbox.root()).lines().count(), 2);
        sandbox.reset();
    }
}

fn assert_rejected(sandbox: &Sandbox, blob: &[u8], expected: &str) {
    for options in all_options() {
        assert_eq!(sandbox.unpack_error(blob, &options), expected);
        sandbox.reset();
    }
}

#[test]
fn compression_is_detected_from_the_content() {
    confined(|sandbox| {
        assert_accepted(sandbox, &tar(), Compression::Plain);
        assert_accepted(sandbox, &gzip(&tar()), Compression::Gzip);
        assert_accepted(sandbox, &zstd(&tar()), Compression::Zstd);
    });
}

#[test]
fn streams_may_have_several_members_or_frames() {
    confined(|sandbox| {
        let tar = tar();
        let (first, second) = tar.split_at(1000);
        assert_accepted(
            sandbox,
            &[gzip(first), gzip(b""), gzip(second)].concat(),
            Compression::Gzip,
        );
        assert_accepted(
            sandbox,
            &[zstd(first), zstd(b""), zstd(second)].concat(),
            Compression::Zstd,
        );
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let parts = [skippable.clone(), zstd(first), skippable, zstd(second)];
        assert_accepted(sandbox, &parts.concat(), Compression::Zstd);
    });
}

/// T14: many empty members need time, but no memory.
#[test]
fn very_many_empty_members_are_read() {
    confined(|sandbox| {
        let mut blob = gzip(b"").repeat(200_000);
        blob.extend(gzip(&tar()));
        let unpacked = sandbox.unpack_ok(&blob, &options());
        assert_eq!(unpacked.diff_id.digest(), &Digest::sha256(tar()));
    });
}

/// T14: rarely used header fields.
#[test]
fn optional_gzip_header_fields_are_skipped() {
    confined(|sandbox| {
        let plain = gzip(&tar());
        let mut header = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x03\0abcname\0comment\0".to_vec();
        let mut sum = flate2::Crc::new();
        sum.update(&header);
        let sum = sum.sum().to_le_bytes();
        header.extend(&sum[..2]);
        assert_accepted(
            sandbox,
            &[&header[..], &plain[10..]].concat(),
            Compression::Gzip,
        );

        // An extra field that is longer than the stream, and a modified header.
        let blob = [&header[..10], b"\xff\xff", &header[12..]].concat();
        assert_rejected(sandbox, &blob, "invalid gzip stream: it is truncated");
        header[14] ^= 1;
        let blob = [&header[..], &plain[10..]].concat();
        assert_rejected(
            sandbox,
            &blob,
            "invalid gzip stream: the checksum does not match",
        );
        let mut reserved = plain;
        reserved[3] = 0x20;
        assert_rejected(
            sandbox,
            &reserved,
            "invalid gzip stream: reserved header flags are set",
        );
    });
}

/// T14: a stream that is truncated anywhere is rejected, and so is a tar that ends at the end of a member.
#[test]
fn truncated_streams_are_rejected() {
    confined(|sandbox| {
        let gz = gzip(&tar());
        for length in [3, 9, 10, 11, gz.len() / 2, gz.len() - 8, gz.len() - 1] {
            assert_rejected(
                sandbox,
                &gz[..length],
                "invalid gzip stream: it is truncated",
            );
        }
        let zst = zstd(&tar());
        for length in [4, 10, zst.len() / 2, zst.len() - 1] {
            assert_rejected(
                sandbox,
                &zst[..length],
                "invalid zstd stream: it is truncated",
            );
        }
        let tar = tar();
        let (first, _) = tar.split_at(1000);
        assert_rejected(
            sandbox,
            &gzip(first),
            "invalid tar at byte 0: it is truncated",
        );
        assert_rejected(
            sandbox,
            &zstd(first),
            "invalid tar at byte 0: it is truncated",
        );
    });
}

/// T14: bytes behind the last member or frame are rejected, including NULs.
#[test]
fn trailing_bytes_are_rejected() {
    confined(|sandbox| {
        for junk in [
            &b"JUNK"[..],
            &[0; 4],
            &[0; 512],
            b"\x1f\x8b\x07\0\0\0\0\0\0\0",
        ] {
            let blob = [&gzip(&tar())[..], junk].concat();
            assert_rejected(
                sandbox,
                &blob,
                "invalid gzip stream: other bytes follow its end",
            );
        }
        let cut = [&gzip(&tar())[..], b"\x1f\x8b"].concat();
        assert_rejected(sandbox, &cut, "invalid gzip stream: it is truncated");
        for junk in [&b"JUNKJUNK"[..], &[0; 512]] {
            let blob = [&zstd(&tar())[..], junk].concat();
            let error = sandbox.unpack_error(&blob, &options());
            assert!(
                error.starts_with("invalid zstd stream: the data is damaged: "),
                "{error}"
            );
        }
    });
}

/// T14: checksums are verified.
#[test]
fn damaged_streams_are_rejected() {
    confined(|sandbox| {
        let gz = gzip(&tar());
        for at in [gz.len() - 5, gz.len() - 1] {
            let mut blob = gz.clone();
            blob[at] ^= 1;
            assert_rejected(
                sandbox,
                &blob,
                "invalid gzip stream: the checksum does not match",
            );
        }
        let mut blob = gz;
        blob[12] = 0xff;
        let error = sandbox.unpack_error(&blob, &options());
        assert!(error.starts_with("invalid gzip stream: "), "{error}");

        let mut blob = zstd(&tar());
        let last = blob.len() - 1;
        blob[last] ^= 1;
        let error = sandbox.unpack_error(&blob, &options());
        assert!(
            error.starts_with("invalid zstd stream: the data is damaged: "),
            "{error}"
        );
    });
}

/// T14: windows of more than 128 MiB and dictionaries are rejected.
#[test]
fn zstd_windows_and_dictionaries_are_bounded() {
    confined(|sandbox| {
        // A frame header without content size but with a window descriptor, then an empty last block.
        let window = |log: u8| vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0];
        sandbox.unpack_ok(&window(27), &options());
        let dictionary = vec![0x28, 0xb5, 0x2f, 0xfd, 1, 0, 42, 1, 0, 0];
        for blob in [window(28), window(31), dictionary] {
            let error = sandbox.unpack_error(&blob, &options());
            assert!(
                error.starts_with("invalid zstd stream: the data is damaged: "),
                "{error}"
            );
        }
    });
}

/// T14: the error contains the name of an unsupported compression.
#[test]
fn other_compressions_are_rejected_by_name() {
    confined(|sandbox| {
        let supported = "only gzip, zstd and plain tar are supported";
        let xz = b"\xfd7zXZ\0\0\x04rest";
        assert_rejected(sandbox, xz, &format!("compressed with xz: {supported}"));
        for bzip2 in [&b"BZh91AY&SYrest"[..], b"BZh9\x17\x72\x45\x38\x50\x90"] {
            assert_rejected(
                sandbox,
                bzip2,
                &format!("compressed with bzip2: {supported}"),
            );
        }
        // A file name at the beginning of a tar is not mistaken for a magic number.
        sandbox.unpack_ok(&Tar::new().file("BZh9", "").end(), &options());
    });
}

/// All crates that use flate2 share the feature that selects its backend. A crate that selects a slower one would slow
/// down every pull.
#[test]
fn the_gzip_backend_is_zlib_rs() {
    let inflate = format!("{:?}", flate2::Decompress::new(false));
    assert!(inflate.contains("zlib_rs"), "{inflate}");
}
