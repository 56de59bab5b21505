//! Compression is told by content, and every byte of the stream must be right (T14).

use std::io::Write;

use flate2::write::GzEncoder;
use windlass_archive::Compression;
use windlass_oci::Digest;

use crate::builder::Tar;
use crate::sandbox::{Sandbox, confined, options, ways};
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

fn taken(sandbox: &Sandbox, blob: &[u8], compression: Compression) {
    for options in ways() {
        let unpacked = sandbox.unpack_ok(blob, &options);
        assert_eq!(unpacked.compression, compression);
        assert_eq!(unpacked.diff_id.digest(), &Digest::sha256(tar()));
        assert_eq!(shape(&sandbox.root()).lines().count(), 2);
        sandbox.reset();
    }
}

fn refused(sandbox: &Sandbox, blob: &[u8], why: &str) {
    for options in ways() {
        assert_eq!(sandbox.refusal(blob, &options), why);
        sandbox.reset();
    }
}

#[test]
fn compression_is_told_by_content() {
    confined(|sandbox| {
        taken(sandbox, &tar(), Compression::Plain);
        taken(sandbox, &gzip(&tar()), Compression::Gzip);
        taken(sandbox, &zstd(&tar()), Compression::Zstd);
    });
}

#[test]
fn streams_of_several_parts_are_one() {
    confined(|sandbox| {
        let tar = tar();
        let (first, second) = tar.split_at(1000);
        taken(
            sandbox,
            &[gzip(first), gzip(b""), gzip(second)].concat(),
            Compression::Gzip,
        );
        taken(
            sandbox,
            &[zstd(first), zstd(b""), zstd(second)].concat(),
            Compression::Zstd,
        );
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let parts = [skippable.clone(), zstd(first), skippable, zstd(second)];
        taken(sandbox, &parts.concat(), Compression::Zstd);
    });
}

/// T14: an endless row of empty members takes time, not memory.
#[test]
fn very_many_empty_members_are_read() {
    confined(|sandbox| {
        let mut blob = gzip(b"").repeat(200_000);
        blob.extend(gzip(&tar()));
        let unpacked = sandbox.unpack_ok(&blob, &options());
        assert_eq!(unpacked.diff_id.digest(), &Digest::sha256(tar()));
    });
}

/// T14: header fields that are rarely there.
#[test]
fn optional_gzip_header_fields_are_read_over() {
    confined(|sandbox| {
        let plain = gzip(&tar());
        let mut header = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x03\0abcname\0comment\0".to_vec();
        let mut sum = flate2::Crc::new();
        sum.update(&header);
        let sum = sum.sum().to_le_bytes();
        header.extend(&sum[..2]);
        taken(
            sandbox,
            &[&header[..], &plain[10..]].concat(),
            Compression::Gzip,
        );

        // A field of extras that is longer than all there is, and a header that was changed.
        let blob = [&header[..10], b"\xff\xff", &header[12..]].concat();
        refused(sandbox, &blob, "invalid gzip stream: it is truncated");
        header[14] ^= 1;
        let blob = [&header[..], &plain[10..]].concat();
        refused(
            sandbox,
            &blob,
            "invalid gzip stream: the checksum does not match",
        );
        let mut reserved = plain;
        reserved[3] = 0x20;
        refused(
            sandbox,
            &reserved,
            "invalid gzip stream: reserved header flags are set",
        );
    });
}

/// T14: cut anywhere, the stream is refused, and so is the tar cut at a member's end.
#[test]
fn streams_that_are_cut_short_are_refused() {
    confined(|sandbox| {
        let gz = gzip(&tar());
        for length in [3, 9, 10, 11, gz.len() / 2, gz.len() - 8, gz.len() - 1] {
            refused(
                sandbox,
                &gz[..length],
                "invalid gzip stream: it is truncated",
            );
        }
        let zst = zstd(&tar());
        for length in [4, 10, zst.len() / 2, zst.len() - 1] {
            refused(
                sandbox,
                &zst[..length],
                "invalid zstd stream: it is truncated",
            );
        }
        let tar = tar();
        let (first, _) = tar.split_at(1000);
        refused(
            sandbox,
            &gzip(first),
            "invalid tar at byte 0: it is truncated",
        );
        refused(
            sandbox,
            &zstd(first),
            "invalid tar at byte 0: it is truncated",
        );
    });
}

/// T14: whatever follows the last member or frame is refused, NULs too, wherever reads happen to end.
#[test]
fn trailing_bytes_are_refused() {
    confined(|sandbox| {
        for junk in [
            &b"JUNK"[..],
            &[0; 4],
            &[0; 512],
            b"\x1f\x8b\x07\0\0\0\0\0\0\0",
        ] {
            let blob = [&gzip(&tar())[..], junk].concat();
            refused(
                sandbox,
                &blob,
                "invalid gzip stream: other bytes follow its end",
            );
        }
        let cut = [&gzip(&tar())[..], b"\x1f\x8b"].concat();
        refused(sandbox, &cut, "invalid gzip stream: it is truncated");
        for junk in [&b"JUNKJUNK"[..], &[0; 512]] {
            let blob = [&zstd(&tar())[..], junk].concat();
            let refusal = sandbox.refusal(&blob, &options());
            assert!(
                refusal.starts_with("invalid zstd stream: the data is damaged: "),
                "{refusal}"
            );
        }
    });
}

/// T14: checksums are compared.
#[test]
fn damaged_streams_are_refused() {
    confined(|sandbox| {
        let gz = gzip(&tar());
        for at in [gz.len() - 5, gz.len() - 1] {
            let mut blob = gz.clone();
            blob[at] ^= 1;
            refused(
                sandbox,
                &blob,
                "invalid gzip stream: the checksum does not match",
            );
        }
        let mut blob = gz;
        blob[12] = 0xff;
        let refusal = sandbox.refusal(&blob, &options());
        assert!(refusal.starts_with("invalid gzip stream: "), "{refusal}");

        let mut blob = zstd(&tar());
        let last = blob.len() - 1;
        blob[last] ^= 1;
        let refusal = sandbox.refusal(&blob, &options());
        assert!(
            refusal.starts_with("invalid zstd stream: the data is damaged: "),
            "{refusal}"
        );
    });
}

/// T14: a window of more than 128 MiB and a dictionary are refused.
#[test]
fn zstd_windows_and_dictionaries_are_bounded() {
    confined(|sandbox| {
        // Frame header: no content size, window descriptor; then an empty last block.
        let window = |log: u8| vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0];
        sandbox.unpack_ok(&window(27), &options());
        let dictionary = vec![0x28, 0xb5, 0x2f, 0xfd, 1, 0, 42, 1, 0, 0];
        for blob in [window(28), window(31), dictionary] {
            let refusal = sandbox.refusal(&blob, &options());
            assert!(
                refusal.starts_with("invalid zstd stream: the data is damaged: "),
                "{refusal}"
            );
        }
    });
}

/// T14: what no layer may be compressed with is named.
#[test]
fn other_compressions_are_refused_by_name() {
    confined(|sandbox| {
        let supported = "only gzip, zstd and plain tar are supported";
        let xz = b"\xfd7zXZ\0\0\x04rest";
        refused(
            sandbox,
            xz,
            &format!("the layer is compressed with xz: {supported}"),
        );
        for bzip2 in [&b"BZh91AY&SYrest"[..], b"BZh9\x17\x72\x45\x38\x50\x90"] {
            refused(
                sandbox,
                bzip2,
                &format!("the layer is compressed with bzip2: {supported}"),
            );
        }
        // Names are not mistaken for magic.
        sandbox.unpack_ok(&Tar::new().file("BZh9", "").end(), &options());
    });
}

/// The feature that chooses the decompressor is shared with every crate that uses flate2: one that
/// chose another would make every pull slower.
#[test]
fn the_inflater_is_zlib_rs() {
    let inflate = format!("{:?}", flate2::Decompress::new(false));
    assert!(inflate.contains("zlib_rs"), "{inflate}");
}
