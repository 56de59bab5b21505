//! Compresses layers in the formats that registries serve.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;

/// The compression of a layer's tar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlobCompression {
    /// Uncompressed.
    Plain,
    /// One gzip member.
    #[default]
    Gzip,
    /// The tar split into this number of gzip members, concatenated (RFC 1952, section 2.2).
    GzipMembers(usize),
    /// One zstd frame, with a checksum.
    Zstd,
    /// The tar split into this number of zstd frames (RFC 8878, section 3).
    ZstdFrames(usize),
}

impl BlobCompression {
    /// Compresses `bytes`.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::GzipMembers(parts) => in_parts(bytes, parts, Self::Gzip),
            Self::ZstdFrames(parts) => in_parts(bytes, parts, Self::Zstd),
            Self::Plain | Self::Gzip | Self::Zstd => {
                let mut compressed = Vec::new();
                self.compress_from(&mut &*bytes, &mut compressed)
                    .expect("memory can be read and written");
                compressed
            }
        }
    }

    /// Compresses all bytes of `from` as one stream, with little memory.
    pub fn compress_from(self, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Plain => {
                io::copy(from, to)?;
            }
            Self::Gzip | Self::GzipMembers(_) => {
                let mut encoder = GzEncoder::new(to, flate2::Compression::default());
                io::copy(from, &mut encoder)?;
                encoder.finish()?;
            }
            Self::Zstd | Self::ZstdFrames(_) => {
                let mut encoder = zstd::Encoder::new(to, 3)?;
                encoder.include_checksum(true)?;
                io::copy(from, &mut encoder)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }

    /// Returns the media type of a layer with this compression; Docker has none for zstd, so OCI's is used.
    pub fn media_type(self, docker: bool) -> &'static str {
        match (self, docker) {
            (Self::Plain, false) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Plain, true) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Gzip | Self::GzipMembers(_), false) => {
                "application/vnd.oci.image.layer.v1.tar+gzip"
            }
            (Self::Gzip | Self::GzipMembers(_), true) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
            (Self::Zstd | Self::ZstdFrames(_), _) => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// Splits `bytes` into `parts` parts and compresses each on its own.
fn in_parts(bytes: &[u8], parts: usize, form: BlobCompression) -> Vec<u8> {
    assert!(parts > 0, "at least one part is needed");
    let size = bytes.len().div_ceil(parts).max(1);
    let mut compressed = Vec::new();
    let mut rest = bytes;
    for _ in 0..parts {
        let (part, behind) = rest.split_at(size.min(rest.len()));
        compressed.extend(form.compress(part));
        rest = behind;
    }
    compressed
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;

    #[test]
    fn every_compression_is_reversible() {
        let bytes = crate::Random::new(7).bytes(10_001);
        for form in [BlobCompression::Gzip, BlobCompression::GzipMembers(3)] {
            let mut back = Vec::new();
            MultiGzDecoder::new(&*form.compress(&bytes))
                .read_to_end(&mut back)
                .unwrap();
            assert_eq!(back, bytes, "{form:?}");
        }
        for form in [BlobCompression::Zstd, BlobCompression::ZstdFrames(3)] {
            let back = zstd::decode_all(&*form.compress(&bytes)).unwrap();
            assert_eq!(back, bytes, "{form:?}");
        }
        assert_eq!(BlobCompression::Plain.compress(&bytes), bytes);
    }

    #[test]
    fn the_number_of_members_and_frames_is_right() {
        let count = |bytes: &[u8], magic: &[u8]| {
            bytes
                .windows(magic.len())
                .filter(|window| window == &magic)
                .count()
        };
        let members = BlobCompression::GzipMembers(5).compress(&[b'a'; 3]);
        assert_eq!(count(&members, &[0x1f, 0x8b, 8, 0]), 5);
        let frames = BlobCompression::ZstdFrames(4).compress(&[b'a'; 1000]);
        assert_eq!(count(&frames, &[0x28, 0xb5, 0x2f, 0xfd]), 4);
    }
}
