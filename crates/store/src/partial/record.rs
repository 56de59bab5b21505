//! The record beside a partial blob: which of its bytes are present, and how far they are hashed.
//!
//! A record is a hint. It avoids downloading bytes again; whether they belong to the blob is verified when all
//! of them are present and hashed.
//!
//! # Invariants
//! - Bytes in `stored` were written to the file before the record. Within the same boot that is enough: the page
//!   cache survives the end of any process. The text of the record names them `held`.
//! - Bytes in `durable` were on the medium before the record. After a reboot only these count. The text of the
//!   record names them `safe`.
//! - The hash covers durable bytes only. Bytes that a power cut may have lost are hashed again, so that the hash
//!   always matches the file.

use std::fmt::Write as _;
use std::ops::Range;

use windlass_oci::{Algorithm, Digest, Hasher};

use super::ranges::ByteRanges;

/// The size of a record in bytes: one page, so that it is written in one piece.
pub(crate) const RECORD_SIZE: usize = 4096;

/// The maximum of ranges of each kind in a record. There are about as many as connections.
const MOST_RANGES: usize = 24;

const FIRST_LINE: &str = "windlass partial 1";

/// The record of a partial blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartialRecord {
    /// The boot ID of the machine; empty if it is unknown.
    pub(crate) boot: String,
    pub(crate) stored: ByteRanges,
    pub(crate) durable: ByteRanges,
    pub(crate) hash: Option<Checkpoint>,
}

/// The state of the hash at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// All bytes before this position are hashed.
    pub(crate) position: u64,
    /// [`Hasher::state`] at this position.
    pub(crate) state: Vec<u8>,
}

impl Checkpoint {
    pub(crate) fn hasher(&self, algorithm: Algorithm) -> Option<Hasher> {
        Hasher::resume(algorithm, &self.state)
    }
}

impl PartialRecord {
    /// Serializes the record.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\nboot {}\n", self.boot);
        for (name, ranges) in [("held", &self.stored), ("safe", &self.durable)] {
            text.push_str(name);
            for Range { start, end } in ranges.iter().take(MOST_RANGES) {
                write!(text, " {start}-{end}").expect("writing to a string cannot fail");
            }
            text.push('\n');
        }
        if let Some(Checkpoint { position, state }) = &self.hash {
            writeln!(text, "hash {position} {}", hex(state))
                .expect("writing to a string cannot fail");
        }
        let sum = Digest::sha256(&text);
        writeln!(text, "sum {sum}").expect("writing to a string cannot fail");
        let mut bytes = text.into_bytes();
        debug_assert!(bytes.len() <= RECORD_SIZE);
        bytes.resize(RECORD_SIZE, b'\n');
        bytes
    }

    /// Parses a record of a blob of `size` bytes; `None` if it is malformed or damaged.
    pub(crate) fn parse(bytes: &[u8], size: u64) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\n');
        let (text, sum) = text.rsplit_once("sum ")?;
        if Digest::sha256(text).to_string() != sum {
            return None;
        }
        let mut lines = text.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
        let stored = ranges(lines.next()?.strip_prefix("held")?, size)?;
        let durable = ranges(lines.next()?.strip_prefix("safe")?, size)?;
        let hash = match lines.next() {
            Some(line) => Some(checkpoint(line.strip_prefix("hash ")?)?),
            None => None,
        };
        Some(Self {
            boot,
            stored,
            durable,
            hash,
        })
    }

    /// Returns the part of the record that is valid in the boot `boot`, for a file of `length` bytes.
    pub(crate) fn in_boot(self, boot: &str, length: u64) -> Self {
        let present = ByteRanges::from(0..length);
        let is_same = !boot.is_empty() && self.boot == boot;
        let durable = self.durable.and(&present);
        let stored = if is_same {
            self.stored.and(&present)
        } else {
            durable.clone()
        };
        let hash = { self.hash }.filter(|hash| hash.position <= durable.contiguous());
        Self {
            boot: boot.to_owned(),
            stored,
            durable,
            hash,
        }
    }
}

fn ranges(text: &str, size: u64) -> Option<ByteRanges> {
    let range = |word: &str| {
        let (start, end) = word.split_once('-')?;
        let (start, end) = (start.parse().ok()?, end.parse().ok()?);
        (start < end && end <= size).then_some(start..end)
    };
    text.split_ascii_whitespace().map(range).collect()
}

fn checkpoint(text: &str) -> Option<Checkpoint> {
    let (position, state) = text.split_once(' ')?;
    Some(Checkpoint {
        position: position.parse().ok()?,
        state: unhex(state)?,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.len()
        .is_multiple_of(2)
        .then(|| pairs.map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> PartialRecord {
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(b"abc");
        PartialRecord {
            boot: "b0".to_owned(),
            stored: [0..100, 200..300].into_iter().collect(),
            durable: [0..50, 200..250].into_iter().collect(),
            hash: Some(Checkpoint {
                position: 40,
                state: hasher.state(),
            }),
        }
    }

    #[test]
    fn a_record_is_read_back() {
        let nothing = PartialRecord::default();
        for record in [record(), nothing] {
            assert_eq!(PartialRecord::parse(&record.to_bytes(), 300), Some(record));
        }
    }

    /// Of too many ranges the first are kept; with the largest numbers they fit.
    #[test]
    fn a_record_fits_its_page() {
        let far = u64::MAX - 1000;
        let many: ByteRanges = (0..100).map(|n| far + n * 3..far + n * 3 + 1).collect();
        let record = PartialRecord {
            boot: "b".repeat(36),
            stored: many.clone(),
            durable: many.clone(),
            ..record()
        };
        let bytes = record.to_bytes();
        assert_eq!(bytes.len(), RECORD_SIZE);
        let first: ByteRanges = many.iter().take(MOST_RANGES).cloned().collect();
        assert_eq!(
            PartialRecord::parse(&bytes, u64::MAX).unwrap().stored,
            first
        );
    }

    /// A change of any byte makes the record invalid.
    #[test]
    fn a_damaged_record_is_rejected() {
        let bytes = record().to_bytes();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x11;
            let read = PartialRecord::parse(&damaged, 300);
            assert_eq!(read, None, "at {place}");
        }
        for length in [0, 1, 30, 300] {
            assert_eq!(PartialRecord::parse(&bytes[..length], 300), None);
        }
        assert_eq!(
            PartialRecord::parse(&bytes, 299),
            None,
            "a range ends beyond the blob"
        );
    }

    #[test]
    fn after_a_reboot_only_safe_bytes_count() {
        let record = record();
        assert_eq!(record.clone().in_boot("b0", 300), record);
        let other = record.clone().in_boot("b1", 300);
        assert_eq!(
            (&other.stored, &other.durable),
            (&record.durable, &record.durable)
        );
        let unknown = PartialRecord {
            boot: String::new(),
            ..record.clone()
        };
        assert_eq!(unknown.in_boot("", 300).stored, record.durable);
        // Bytes beyond the end of the file are not present, and a hash that covers them is not used.
        let short = record.in_boot("b0", 39);
        assert_eq!(short.stored, ByteRanges::from(0..39));
        assert_eq!(short.hash, None);
    }

    #[test]
    fn a_hash_continues_from_its_state() {
        let hash = record().hash.unwrap();
        let mut hasher = hash.hasher(Algorithm::Sha512).unwrap();
        hasher.update(b"def");
        assert_eq!(hasher.finish(), Digest::of(Algorithm::Sha512, b"abcdef"));
        assert!(hash.hasher(Algorithm::Sha256).is_none());
    }
}
