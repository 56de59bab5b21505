//! Sparse files in the four formats (T12).

use std::os::unix::fs::MetadataExt;

use crate::builder::{Entry, MAGIC, Tar};
use crate::sandbox::{all_options, confined, options};

/// The content "ab" at 0, "c" at 8192, and a hole to 1 GiB.
const REAL_SIZE: u64 = 1 << 30;
const CONTENT: &[u8] = b"abc";
const MAP: [(u64, u64); 3] = [(0, 2), (8192, 1), (REAL_SIZE, 0)];

fn octal(number: u64) -> Vec<u8> {
    format!("{number:011o}\0").into_bytes()
}

/// Returns a tar in the GNU format: four segments in the header, more in the blocks behind it.
fn gnu(real_size: u64, map: &[(u64, u64)], content: &[u8]) -> Tar {
    let pairs = |map: &[(u64, u64)]| -> Vec<u8> {
        map.iter()
            .flat_map(|&(offset, length)| [octal(offset), octal(length)].concat())
            .collect()
    };
    let (first, rest) = map.split_at(map.len().min(4));
    let mut entry = Entry::new(b'S', "f")
        .field(MAGIC, b"ustar  \0")
        .field(386..482, &pairs(first))
        .field(483..495, &octal(real_size))
        .number(crate::builder::SIZE, content.len() as u64);
    entry.header[482] = u8::from(!rest.is_empty());
    let mut tar = Tar::new().entry(entry);
    let mut blocks = rest.chunks(21).peekable();
    while let Some(block) = blocks.next() {
        let mut bytes = pairs(block);
        bytes.resize(504, 0);
        bytes.push(u8::from(blocks.peek().is_some()));
        bytes.resize(512, 0);
        tar = tar.raw(&bytes);
    }
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(512), 0);
    tar.raw(&content)
}

fn numbers(map: &[(u64, u64)], between: &str) -> String {
    let numbers: Vec<_> = map
        .iter()
        .flat_map(|&(offset, length)| [offset, length])
        .collect();
    numbers
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(between)
}

fn pax_0_0() -> Tar {
    let mut entry = Entry::file("f", CONTENT).pax("GNU.sparse.size", REAL_SIZE.to_string());
    entry = entry.pax("GNU.sparse.numblocks", "3");
    for (offset, length) in MAP {
        entry = entry.pax("GNU.sparse.offset", offset.to_string());
        entry = entry.pax("GNU.sparse.numbytes", length.to_string());
    }
    Tar::new().entry(entry)
}

fn pax_0_1(map: &str) -> Tar {
    let entry = Entry::file("GNUSparseFile.0/f", CONTENT)
        .pax("GNU.sparse.name", "f")
        .pax("GNU.sparse.size", REAL_SIZE.to_string())
        .pax("GNU.sparse.numblocks", "3")
        .pax("GNU.sparse.map", map);
    Tar::new().entry(entry)
}

fn pax_1_0(map: &str, content: &[u8]) -> Tar {
    let mut bytes = map.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(content);
    let entry = Entry::file("GNUSparseFile.0/f", bytes)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "f")
        .pax("GNU.sparse.realsize", REAL_SIZE.to_string());
    Tar::new().entry(entry)
}

#[test]
fn holes_are_preserved_in_all_formats() {
    confined(|sandbox| {
        let map = format!("3\n{}\n", numbers(&MAP, "\n"));
        let forms = [
            gnu(REAL_SIZE, &MAP, CONTENT),
            pax_0_0(),
            pax_0_1(&numbers(&MAP, ",")),
            pax_1_0(&map, CONTENT),
        ];
        for tar in forms {
            for options in all_options() {
                let tar = tar.clone().file("after", "").end();
                let unpacked = sandbox.unpack_ok(&tar, &options);
                assert_eq!(unpacked.size, 3);
                let file = std::fs::File::open(sandbox.root().join("f")).unwrap();
                let data = file.metadata().unwrap();
                assert_eq!(data.size(), REAL_SIZE);
                assert!(data.blocks() < 1000, "{} blocks", data.blocks());
                let mut bytes = [0xff; 9000];
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).unwrap();
                let mut expected = [0; 9000];
                expected[..2].copy_from_slice(b"ab");
                expected[8192] = b'c';
                assert_eq!(bytes, expected);
                assert!(sandbox.root().join("after").exists());
                sandbox.reset();
            }
        }
    });
}

#[test]
fn long_maps_are_read() {
    confined(|sandbox| {
        let map: Vec<_> = (0..5000).map(|at| (at * 4096, 1)).collect();
        let content = vec![b'x'; 5000];
        let text = format!("5000\n{}\n", numbers(&map, "\n"));
        for tar in [gnu(REAL_SIZE, &map, &content), pax_1_0(&text, &content)] {
            let unpacked = sandbox.unpack_ok(&tar.end(), &options());
            assert_eq!(unpacked.size, 5000);
            sandbox.reset();
        }
    });
}

#[test]
fn inconsistent_maps_are_rejected() {
    confined(|sandbox| {
        let assert_rejected = |tar: Tar| {
            let error = sandbox.unpack_error(&tar.end(), &options());
            let (_, what) = error.split_once(": ").unwrap();
            assert_eq!(what, "an invalid sparse map");
        };
        // Overlapping, descending, beyond the end of the file, shorter and longer than the content.
        for map in [
            &[(0, 2), (1, 1)][..],
            &[(8, 1), (0, 2)],
            &[(REAL_SIZE, 3)],
            &[(0, 2)],
            &[(0, 4)],
        ] {
            assert_rejected(gnu(REAL_SIZE, map, CONTENT));
            assert_rejected(pax_0_1(&numbers(map, ",")));
            assert_rejected(pax_1_0(
                &format!("{}\n{}\n", map.len(), numbers(map, "\n")),
                CONTENT,
            ));
        }
        for map in ["0", "0,2,1", "a,b", "0,-1", "9223372036854775807,3", ","] {
            assert_rejected(pax_0_1(map));
        }
        for map in ["", "x\n", "2\n0\n3\n", "99999999999999999999\n", "1\n0\n3"] {
            assert_rejected(pax_1_0(map, b""));
        }
        assert_rejected(
            Tar::new().entry(
                Entry::file("f", "")
                    .pax("GNU.sparse.major", "2")
                    .pax("GNU.sparse.minor", "0"),
            ),
        );
        assert_rejected(
            Tar::new().entry(
                Entry::dir("f")
                    .pax("GNU.sparse.size", "0")
                    .pax("GNU.sparse.map", "0,0"),
            ),
        );
    });
}

/// T12: a length that the file system does not support is an error.
#[test]
fn a_file_too_long_for_the_file_system_is_rejected() {
    confined(|sandbox| {
        let tar = gnu(1 << 32, &[(0, 1)], b"x");
        sandbox.unpack_ok(&tar.end(), &options());
        sandbox.reset();
        let entry = Entry::file("f", b"x")
            .pax("GNU.sparse.size", i64::MAX.to_string())
            .pax("GNU.sparse.map", "0,1");
        let error = sandbox
            .unpack(&Tar::new().entry(entry).end(), &options())
            .unwrap_err();
        assert_eq!(error.origin(), windlass_archive::UnpackErrorOrigin::System);
    });
}
