//! An entry of a layer, and its serialization in a tar.

use crate::tar::{Tar, TarField, TarHeader};

#[derive(Clone, Debug)]
pub(super) struct LayerEntry {
    pub(super) path: Vec<u8>,
    pub(super) kind: LayerEntryKind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    pub(super) xattrs: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(super) enum LayerEntryKind {
    File(Vec<u8>),
    /// A sparse file: its total size, and the pieces with data.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
    Dir,
    Symlink(Vec<u8>),
    Hardlink(Vec<u8>),
    Fifo,
    Device {
        flag: u8,
        major: u32,
        minor: u32,
    },
}

/// Values that do not fit into a ustar header, as PAX records.
type PaxRecords = Vec<(String, Vec<u8>)>;

impl LayerEntry {
    pub(super) fn append_to(&self, tar: Tar) -> Tar {
        let mut records = PaxRecords::new();
        let (header, content) = match &self.kind {
            LayerEntryKind::Sparse(size, pieces) => self.sparse(*size, pieces, &mut records),
            kind => self.plain(kind, &mut records),
        };
        let header = self.metadata(header, &mut records);
        let tar = if records.is_empty() {
            tar
        } else {
            let records: Vec<_> = records.iter().map(|(k, v)| (&**k, &**v)).collect();
            tar.pax(&records)
        };
        tar.entry(header, &content)
    }

    fn plain(&self, kind: &LayerEntryKind, records: &mut PaxRecords) -> (TarHeader, Vec<u8>) {
        let mut name = self.path.clone();
        if matches!(kind, LayerEntryKind::Dir) && !name.ends_with(b"/") {
            name.push(b'/');
        }
        let name = fitting(TarField::Name, "path", &name, records);
        match kind {
            LayerEntryKind::File(content) => (TarHeader::file(name), content.clone()),
            LayerEntryKind::Dir => (TarHeader::dir(name), Vec::new()),
            LayerEntryKind::Symlink(target) => {
                let target = fitting(TarField::LinkName, "linkpath", target, records);
                (TarHeader::symlink(name, target), Vec::new())
            }
            LayerEntryKind::Hardlink(target) => {
                let target = fitting(TarField::LinkName, "linkpath", target, records);
                (TarHeader::hardlink(name, target), Vec::new())
            }
            LayerEntryKind::Fifo => (TarHeader::fifo(name), Vec::new()),
            LayerEntryKind::Device { flag, major, minor } => {
                (TarHeader::device(*flag, name, *major, *minor), Vec::new())
            }
            LayerEntryKind::Sparse(..) => unreachable!("sparse files are written by `sparse`"),
        }
    }

    /// Writes GNU tar's sparse format 1.0: the name and size in PAX records, the map before the data.
    fn sparse(
        &self,
        size: u64,
        pieces: &[(u64, Vec<u8>)],
        records: &mut PaxRecords,
    ) -> (TarHeader, Vec<u8>) {
        let mut record = |key: &str, value: &[u8]| records.push((key.to_owned(), value.to_vec()));
        record("GNU.sparse.major", b"1");
        record("GNU.sparse.minor", b"0");
        record("GNU.sparse.name", &self.path);
        record("GNU.sparse.realsize", size.to_string().as_bytes());
        // An empty piece marks the end of a file that ends with a hole.
        let end = (size, Vec::new());
        let pieces = || pieces.iter().chain([&end]);
        let lines = pieces().map(|(offset, bytes)| format!("{offset}\n{}\n", bytes.len()));
        let map: String = lines.collect();
        let map = format!("{}\n{map}", pieces().count());
        let mut content = Tar::new().padded(map.as_bytes()).into_bytes();
        content.extend(pieces().flat_map(|(_, bytes)| bytes));
        (TarHeader::file("GNUSparseFile.0/sparse"), content)
    }

    fn metadata(&self, header: TarHeader, records: &mut PaxRecords) -> TarHeader {
        let header = header.octal(TarField::Mode, u64::from(self.mode));
        let header = owner(header, TarField::Uid, "uid", self.uid, records);
        let header = owner(header, TarField::Gid, "gid", self.gid, records);
        for (name, value) in &self.xattrs {
            records.push((format!("SCHILY.xattr.{name}"), value.clone()));
        }
        match u64::try_from(self.seconds) {
            Ok(seconds) if self.nanoseconds == 0 && seconds < 1 << 33 => {
                header.octal(TarField::Mtime, seconds)
            }
            _ => {
                let time = decimal_time(self.seconds, self.nanoseconds);
                records.push(("mtime".to_owned(), time.into_bytes()));
                header
            }
        }
    }
}

/// Returns `value` for a field, shortened if it does not fit; then the whole value is added as a record.
fn fitting(field: TarField, key: &str, value: &[u8], records: &mut PaxRecords) -> Vec<u8> {
    let room = field.place().len();
    if value.len() > room || value.contains(&0) {
        records.push((key.to_owned(), value.to_vec()));
    }
    value.iter().copied().take(room).collect()
}

fn owner(
    header: TarHeader,
    field: TarField,
    key: &str,
    id: u64,
    records: &mut PaxRecords,
) -> TarHeader {
    if id < 1 << 21 {
        return header.octal(field, id);
    }
    records.push((key.to_owned(), id.to_string().into_bytes()));
    header
}

/// Formats a time for PAX: `-0.5` is half a second before 1970, so the fraction counts from zero.
pub(super) fn decimal_time(seconds: i64, nanoseconds: u32) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, total) = (if total < 0 { "-" } else { "" }, total.unsigned_abs());
    let (whole, fraction) = (total / 1_000_000_000, total % 1_000_000_000);
    match fraction {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction:09}"),
    }
}
