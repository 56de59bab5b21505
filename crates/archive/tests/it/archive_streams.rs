//! Whole archives of images may also be compressed with xz or bzip2.

use std::io::{self, Read, Write as _};

use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use windlass_archive::ArchiveDecompressReader;
use windlass_oci::text::error_chain;

fn content() -> Vec<u8> {
    (0..200u32)
        .flat_map(|n| (n % 97).wrapping_mul(n).to_le_bytes())
        .collect()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn decompress(stream: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = ArchiveDecompressReader::new(stream).map_err(|error| error_chain(&error))?;
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| {
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        error_chain(&error)
    })?;
    Ok(bytes)
}

/// Returns the beginning of an xz stream with a dictionary of the size class `class`.
fn xz_with_dictionary(class: u8) -> Vec<u8> {
    let with_sum = |bytes: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        [bytes, &sum.sum().to_le_bytes()].concat()
    };
    let stream = [&b"\xfd7zXZ\0"[..], &with_sum(&[0, 1])].concat();
    let block = with_sum(&[2, 0, 0x21, 1, class, 0, 0, 0]);
    [stream, block].concat()
}

#[test]
fn all_compressions_are_read() {
    let content = content();
    let zstd = zstd::encode_all(&*content, 1).unwrap();
    for stream in [gzip(&content), zstd, xz(&content), bzip2(&content)] {
        assert_eq!(decompress(&stream), Ok(content.clone()));
        // Several streams are one file, as for the tools.
        let twice = decompress(&stream.repeat(2));
        assert_eq!(twice, Ok(content.repeat(2)));
        assert!(!ArchiveDecompressReader::new(&*stream).unwrap().is_plain());
    }
    assert_eq!(decompress(&content), Ok(content.clone()));
    assert!(ArchiveDecompressReader::new(&*content).unwrap().is_plain());
    assert_eq!(decompress(b""), Ok(Vec::new()));
}

/// T14: no truncated or altered stream is read as complete.
#[test]
fn truncated_and_altered_streams_are_rejected() {
    let content = content();
    for (name, stream) in [("xz", xz(&content)), ("bzip2", bzip2(&content))] {
        let expected = format!("invalid {name} stream: ");
        for length in 10..stream.len() {
            let error = decompress(&stream[..length]).unwrap_err();
            assert!(error.starts_with(&expected), "{length}: {error}");
        }
        for position in 8..stream.len() {
            let mut altered = stream.clone();
            altered[position] ^= 0x10;
            match decompress(&altered) {
                Ok(bytes) => assert_eq!(bytes, content, "{name}, {position}"),
                Err(error) => assert!(error.starts_with(&expected), "{position}: {error}"),
            }
        }
        let trailing = [&stream[..], b"other bytes"].concat();
        let error = decompress(&trailing).unwrap_err();
        assert!(error.starts_with(&expected), "{error}");
    }
}

/// T14: the header of a stream does not decide how much memory is used.
#[test]
fn large_dictionaries_are_rejected() {
    // 64 MiB is the dictionary of the largest preset, 96 MiB the next size.
    let error = |class| decompress(&xz_with_dictionary(class)).unwrap_err();
    let limit = "invalid xz stream: needed memory too big for mem_limit_kb";
    assert_ne!(error(28), limit);
    for class in [29, 40] {
        assert_eq!(error(class), limit);
    }
}

/// An error of the underlying reader, such as a cancellation, is passed on.
#[test]
fn read_errors_are_passed_on() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cancelled"))
        }
    }
    for stream in [xz(&content()), bzip2(&content())] {
        let half = &stream[..stream.len() / 2];
        let mut reader = ArchiveDecompressReader::new(half.chain(Failing)).unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "cancelled");
    }
}
