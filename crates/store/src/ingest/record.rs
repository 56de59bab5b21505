//! What is known of a partial blob, on disk beside it: which of its bytes are there, and how far they are hashed.
//!
//! A record is a hint that is checked, never a proof. It says what need not be fetched again; whether that is
//! the beginning of the right blob is found out when all of it is there and hashed.
//!
//! # Invariants
//! - `held` was written to the file before the record says so. In the boot in which it was written that is
//!   enough: what was written is in the file, whoever was killed since.
//! - `safe` was on the medium before the record says so. After another boot nothing else counts.
//! - The hash covers safe bytes only. Bytes that a power cut may have taken are hashed again, so that the hash is
//!   always that of what the file holds.

use std::fmt::Write as _;
use std::ops::Range;

use windlass_oci::{Algorithm, Digest, Hasher};

use super::ByteRanges;

/// The size of a record in the file, in bytes: a page, so that it is written whole.
pub(crate) const RECORD_SIZE: usize = 4096;

/// Stretches that a record has room for, of each kind. There are about as many as connections.
const MOST_RANGES: usize = 24;

const FIRST_LINE: &str = "windlass partial 1";

/// What is known of a partial blob.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartialRecord {
    /// Which boot of the machine it is from; empty where that cannot be told.
    pub(crate) boot: String,
    pub(crate) held: ByteRanges,
    pub(crate) safe: ByteRanges,
    pub(crate) hash: Option<Checkpoint>,
}

/// How far a blob is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Every byte before this place.
    pub(crate) position: u64,
    /// [`Hasher::state`] there.
    pub(crate) state: Vec<u8>,
}

impl Checkpoint {
    pub(crate) fn hasher(&self, algorithm: Algorithm) -> Option<Hasher> {
        Hasher::resume(algorithm, &self.state)
    }
}

impl PartialRecord {
    /// Writes the record as it stands in its file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\nboot {}\n", self.boot);
        for (name, ranges) in [("held", &self.held), ("safe", &self.safe)] {
            text.push_str(name);
            for Range { start, end } in ranges.iter().take(MOST_RANGES) {
                write!(text, " {start}-{end}").expect("a string takes everything");
            }
            text.push('\n');
        }
        if let Some(Checkpoint { position, state }) = &self.hash {
            writeln!(text, "hash {position} {}", hex(state)).expect("a string takes everything");
        }
        let sum = Digest::sha256(&text);
        writeln!(text, "sum {sum}").expect("a string takes everything");
        let mut bytes = text.into_bytes();
        debug_assert!(bytes.len() <= RECORD_SIZE);
        bytes.resize(RECORD_SIZE, b'\n');
        bytes
    }

    /// Reads a record of a blob of `size` bytes; `None` if it is none, or is damaged.
    pub(crate) fn parse(bytes: &[u8], size: u64) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\n');
        let (text, sum) = text.rsplit_once("sum ")?;
        if Digest::sha256(text).to_string() != sum {
            return None;
        }
        let mut lines = text.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
        let held = ranges(lines.next()?.strip_prefix("held")?, size)?;
        let safe = ranges(lines.next()?.strip_prefix("safe")?, size)?;
        let hash = match lines.next() {
            Some(line) => Some(checkpoint(line.strip_prefix("hash ")?)?),
            None => None,
        };
        Some(Self {
            boot,
            held,
            safe,
            hash,
        })
    }

    /// Returns what of it counts in the boot called `boot`, for a file of `length` bytes.
    pub(crate) fn in_boot(self, boot: &str, length: u64) -> Self {
        let there = ByteRanges::from(0..length);
        let is_same = !boot.is_empty() && self.boot == boot;
        let safe = self.safe.and(&there);
        let held = if is_same {
            self.held.and(&there)
        } else {
            safe.clone()
        };
        let hash = { self.hash }.filter(|hash| hash.position <= safe.contiguous());
        Self {
            boot: boot.to_owned(),
            held,
            safe,
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
        write!(text, "{byte:02x}").expect("a string takes everything");
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
            held: [0..100, 200..300].into_iter().collect(),
            safe: [0..50, 200..250].into_iter().collect(),
            hash: Some(Checkpoint {
                position: 40,
                state: hasher.state(),
            }),
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let nothing = PartialRecord::default();
        for record in [record(), nothing] {
            assert_eq!(PartialRecord::parse(&record.to_bytes(), 300), Some(record));
        }
    }

    /// Of more stretches than there is room for, the first are kept; with the largest numbers they fit.
    #[test]
    fn a_record_fits_its_page() {
        let far = u64::MAX - 1000;
        let many: ByteRanges = (0..100).map(|n| far + n * 3..far + n * 3 + 1).collect();
        let record = PartialRecord {
            boot: "b".repeat(36),
            held: many.clone(),
            safe: many.clone(),
            ..record()
        };
        let bytes = record.to_bytes();
        assert_eq!(bytes.len(), RECORD_SIZE);
        let first: ByteRanges = many.iter().take(MOST_RANGES).cloned().collect();
        assert_eq!(PartialRecord::parse(&bytes, u64::MAX).unwrap().held, first);
    }

    /// Whichever byte changes, it is no record any more, or reads the same (a line feed behind the end).
    #[test]
    fn a_damaged_record_is_none() {
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
        assert_eq!(PartialRecord::parse(&bytes, 299), None, "of a smaller blob");
    }

    #[test]
    fn after_another_boot_only_what_is_safe_counts() {
        let record = record();
        assert_eq!(record.clone().in_boot("b0", 300), record);
        let other = record.clone().in_boot("b1", 300);
        assert_eq!((&other.held, &other.safe), (&record.safe, &record.safe));
        let unknown = PartialRecord {
            boot: String::new(),
            ..record.clone()
        };
        assert_eq!(unknown.in_boot("", 300).held, record.safe);
        // What the file does not have is not there, and a hash of it is worth nothing.
        let short = record.in_boot("b0", 39);
        assert_eq!(short.held, ByteRanges::from(0..39));
        assert_eq!(short.hash, None);
    }

    #[test]
    fn a_hash_goes_on_where_it_was() {
        let hash = record().hash.unwrap();
        let mut hasher = hash.hasher(Algorithm::Sha512).unwrap();
        hasher.update(b"def");
        assert_eq!(hasher.finish(), Digest::of(Algorithm::Sha512, b"abcdef"));
        assert!(hash.hasher(Algorithm::Sha256).is_none());
    }
}
